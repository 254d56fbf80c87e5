import { beforeEach, describe } from '@jest/globals';
import { directoryContract } from '../../support/directory-contract.ts';
import { createMemoryDirectory, DOMAIN, type MemoryDirectory } from '../../support/memory-directory.ts';
import { createVirtualClock } from '../../support/virtual-clock.ts';

describe('the directory in memory', () => {
  let directory: MemoryDirectory;
  beforeEach(() => {
    const clock = createVirtualClock();
    directory = createMemoryDirectory(() => clock.now());
  });
  directoryContract(() => ({
    ports: directory.ports(async (_call, _subject, carryOut) => carryOut()),
    domainName: DOMAIN,
    plant: async (name, instanceId) => void directory.add(name, instanceId),
    plantRecord: async (name) => void directory.records.add(name),
    hasAccount: async (name) => directory.named(name) !== undefined,
    hasRecord: async (name) => directory.records.has(name),
  }));
});
