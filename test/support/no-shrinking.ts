import { configureGlobal } from 'fast-check';

// For mutation testing: that a property fails is enough to know, and its smallest counterexample costs minutes.
configureGlobal({ endOnFailure: true });
