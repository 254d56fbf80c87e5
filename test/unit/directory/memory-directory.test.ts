import { beforeEach, describe } from '@jest/globals';
import { directoryContract } from '../../support/directory-contract.ts';
import {
  createMemoryDirectory,
  DOMAIN,
  sidOf,
  type MemoryDirectory,
} from '../../support/memory-directory.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';

describe('the directory in memory', () => {
  let directory: MemoryDirectory;
  let clock: VirtualClock;
  beforeEach(() => {
    clock = createVirtualClock();
    directory = createMemoryDirectory(() => clock.now());
  });
  directoryContract(() => ({
    ports: directory.ports(async (_call, _subject, carryOut) => carryOut()),
    domainName: DOMAIN,
    plant: async (name, instanceId) => void directory.add(name, instanceId),
    plantForgery: async (name, instanceId) => void directory.add(name, instanceId, { byOthers: true }),
    async writeStamp(name, stampedFor) {
      const account = directory.named(name);
      if (account) account.stamp = stampedFor;
    },
    now: () => clock.now(),
    async move(name) {
      const account = directory.named(name);
      if (account) account.moved = true;
    },
    async guard(name, against) {
      const account = directory.named(name);
      if (account) account.guard = against === 'us' ? 'denied' : 'protected';
    },
    denyRecords: async (denied) => void (directory.areRecordsDenied = denied),
    plantRecord: async (name, by) =>
      void (by === undefined ? directory.records : directory.squatted).add(name),
    async lostRecord(name) {
      directory.records.add(name);
      return sidOf(name);
    },
    hasAccount: async (name) => directory.named(name) !== undefined,
    hasRecord: async (name) => directory.records.has(name) || directory.squatted.has(name),
  }));
});
