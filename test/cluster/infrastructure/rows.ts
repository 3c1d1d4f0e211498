import { cutOffRows } from '../cut-off.js';
import type { Fault } from '../fault.js';
import { balancedRows } from './balanced.js';
import { failoverRows } from './failover.js';
import { pooledRows } from './pooled.js';
import { slowDiskRows } from './slow-disk.js';

/** What a system has around its nodes: replicas, a pooler, a balancer, a disk; and how fast access ends. */
export const infrastructureRows: readonly Fault[] = [
  ...pooledRows,
  ...failoverRows,
  ...slowDiskRows,
  ...balancedRows,
  ...cutOffRows,
];
