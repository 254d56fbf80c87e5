import type { BusEvent } from '../events/bus.ts';
import { arn, type Place } from '../place.ts';
import type { Instance } from './instances.ts';

/** What EC2 tells EventBridge of each new state, of a group's instances as of all others. The event has no tags. */
export function stateChange(place: Place, { id, state }: Instance): BusEvent {
  return {
    source: 'aws.ec2',
    detailType: 'EC2 Instance State-change Notification',
    resources: [arn(place, 'ec2', `instance/${id}`)],
    detail: { 'instance-id': id, state },
  };
}
