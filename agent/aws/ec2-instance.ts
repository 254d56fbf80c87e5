/** What EC2 shows of one instance. Looks that come close together share a call. */
import { paginateDescribeInstances, type EC2Client, type Instance } from '@aws-sdk/client-ec2';
import { createBatch, type Batch } from '../batch.ts';
import type { Clock } from '../clock.ts';
import { AdjoinError } from '../errors.ts';
import type { Ec2Instance } from '../terms.ts';
import { pagesOfAws } from './errors.ts';

export interface Ec2InstancesOptions {
  readonly ec2: EC2Client;
  readonly clock: Clock;
  readonly accountId: string;
}

/** Fewer than the 200 values that a filter takes (API reference). */
const INSTANCES_PER_CALL = 100;
/** Milliseconds. The events of instances that start together come together. */
const LOOKUP_WINDOW_MS = 50;

const shown = ({ State, Tags = [] }: Instance): Ec2Instance => ({
  state: State?.Name ?? '',
  tags: new Map(Tags.map(({ Key = '', Value = '' }) => [Key, Value])),
});

/** @returns a function that gives undefined for an instance that EC2 does not show */
export function createEc2Instances({
  ec2,
  clock,
  accountId,
}: Ec2InstancesOptions): (instanceId: string, signal?: AbortSignal) => Promise<Ec2Instance | undefined> {
  const look: Batch<string, Ec2Instance | 'unknown'> = createBatch<string, Ec2Instance | 'unknown'>({
    keyOf: () => '',
    maximum: INSTANCES_PER_CALL,
    windowMs: LOOKUP_WINDOW_MS,
    isUrgent: true,
    clock,
    async run(instanceIds) {
      const wanted = [...new Set(instanceIds)];
      const found = new Map<string, Ec2Instance>();
      // Named as instances, one unknown ID would fail the whole call.
      const filter = { Filters: [{ Name: 'instance-id', Values: wanted }] };
      const what = `ec2:DescribeInstances of ${wanted.length}`;
      for await (const page of pagesOfAws(
        what,
        undefined,
        paginateDescribeInstances({ client: ec2 }, filter),
      )) {
        for (const { OwnerId, Instances = [] } of page.Reservations ?? []) {
          if (OwnerId !== accountId) {
            throw new AdjoinError(
              'account-unproven',
              `EC2 shows instances of account ${OwnerId ?? '(none)'}; the configuration names ${accountId}.`,
            );
          }
          for (const each of Instances) if (each.InstanceId) found.set(each.InstanceId, shown(each));
        }
      }
      return instanceIds.map((instanceId) => found.get(instanceId) ?? 'unknown');
    },
  });
  return async (instanceId, signal) => {
    const instance = await look(instanceId, signal);
    return instance === 'unknown' ? undefined : instance;
  };
}
