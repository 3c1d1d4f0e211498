import { single, type Metric, type MetricSource } from '../core/metrics.js';
import type { KeyRing } from './key-ring.js';
import type { ManagedKeys } from './managed-keys.js';

/** Whether this node can sign, and how old what it signs with is. */
export class KeyMetrics implements MetricSource {
  /** @param managed null when keys are given at start: those have no age that anybody knows */
  constructor(
    private readonly ring: KeyRing,
    private readonly managed: ManagedKeys | null,
  ) {}

  read(): readonly Metric[] {
    const usable = single(
      'gauge',
      'token_family_signing_key_usable',
      '1 while this node has a key to sign access tokens with, else 0',
      this.ring.canSign ? 1 : 0,
    );
    return this.managed ? [usable, ...agesOf(this.managed)] : [usable];
  }
}

function agesOf(managed: ManagedKeys): Metric[] {
  const { staleness, activeKey } = managed.ages;
  return [
    single(
      'gauge',
      'token_family_signing_keys_staleness_seconds',
      'How long ago this node last read the signing keys from the database',
      staleness / 1000,
      'seconds',
    ),
    single(
      'gauge',
      'token_family_signing_key_age_seconds',
      'For how long the active signing key has been signing',
      activeKey / 1000,
      'seconds',
    ),
  ];
}
