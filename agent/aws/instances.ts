/**
 * Whether instances exist, according to EC2. The sweep deletes accounts because of this answer.
 *
 * "Not there" is believed only from a complete answer, given in the right account: an instance ID in a filter that EC2
 * does not know gives an empty answer, and so does every instance ID in another account.
 */
import type { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import { DescribeAutoScalingGroupsCommand } from '@aws-sdk/client-auto-scaling';
import {
  DescribeInstancesCommand,
  paginateDescribeInstances,
  type EC2Client,
  type Reservation,
} from '@aws-sdk/client-ec2';
import { AdjoinError } from '../errors.ts';
import type { InstancesPort } from '../sweep/ports.ts';
import { callAws, pagesOfAws } from './errors.ts';

export interface InstancesOptions {
  readonly ec2: EC2Client;
  readonly autoScaling: AutoScalingClient;
  readonly accountId: string;
  readonly region: string;
}

/** The least that DescribeInstances takes for a page (API reference). */
const FEWEST = 5;

export function createInstances(options: InstancesOptions): InstancesPort {
  const { ec2, autoScaling, accountId, region } = options;

  function checkOwner(reservation: Reservation): void {
    if (reservation.OwnerId === accountId) return;
    throw new AdjoinError(
      'account-unproven',
      `EC2 shows instances of account ${reservation.OwnerId ?? '(none)'}; the configuration names ${accountId}.`,
    );
  }

  return {
    async proveAccount(signal) {
      const some = await callAws('ec2:DescribeInstances', signal, () =>
        ec2.send(new DescribeInstancesCommand({ MaxResults: FEWEST }), { abortSignal: signal }),
      );
      const reservations = some.Reservations ?? [];
      for (const reservation of reservations) checkOwner(reservation);
      if (reservations.length > 0) return;
      // There is no instance in the account. The ARN of a group names the account of the credentials as well.
      const groups = await callAws('autoscaling:DescribeAutoScalingGroups', signal, () =>
        autoScaling.send(new DescribeAutoScalingGroupsCommand({ MaxRecords: 1, IncludeInstances: false }), {
          abortSignal: signal,
        }),
      );
      const arn = groups.AutoScalingGroups?.[0]?.AutoScalingGroupARN ?? '';
      const [, , service, itsRegion, itsAccount] = arn.split(':');
      if (service === 'autoscaling' && itsRegion === region && itsAccount === accountId) return;
      throw new AdjoinError(
        'account-unproven',
        arn === ''
          ? `There is neither an instance nor an Auto Scaling group that shows which account the credentials belong to.`
          : `Auto Scaling shows ${arn}; the configuration names account ${accountId} in ${region}.`,
      );
    },

    async look(instanceIds, signal) {
      const states = new Map<string, string | undefined>();
      const pages = paginateDescribeInstances(
        { client: ec2 },
        // Named as instances, one unknown ID would fail the whole call.
        { Filters: [{ Name: 'instance-id', Values: [...instanceIds] }] },
        { abortSignal: signal },
      );
      const what = `ec2:DescribeInstances of ${instanceIds.length}`;
      for await (const page of pagesOfAws(what, signal, pages)) {
        for (const reservation of page.Reservations ?? []) {
          checkOwner(reservation);
          for (const instance of reservation.Instances ?? []) {
            if (instance.InstanceId) states.set(instance.InstanceId, instance.State?.Name);
          }
        }
      }
      return new Map(
        instanceIds.map((instanceId) => {
          // Nothing proves that a node outside EC2 is gone. An operator says so, by an unjoin.
          if (instanceId.startsWith('mi-')) return [instanceId, 'living'];
          if (!states.has(instanceId)) return [instanceId, 'unknown'];
          return [instanceId, states.get(instanceId) === 'terminated' ? 'terminated' : 'living'];
        }),
      );
    },
  };
}
