/** What the recipe uses of `bcrypt`, which brings no types of its own. */
declare module 'bcrypt' {
  const bcrypt: {
    hash(text: string, cost: number): Promise<string>;
    compare(text: string, hash: string): Promise<boolean>;
  };
  export default bcrypt;
}
