import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import type { Watched } from '../../../infra/sandbox/story/watch.ts';

export const idOf = (n: number): string => `i-${n.toString(16).padStart(17, '0')}`;

const times = (values: Record<string, number>): AttributeValue => ({
  M: {
    actionToken: { S: '00000000-0000-4000-8000-000000000000' },
    hook: { S: 'adjoin-launch' },
    times: { M: Object.fromEntries(Object.entries(values).map(([step, at]) => [step, { N: String(at) }])) },
  },
});

/** An item as the agent writes it. */
export function item(
  instanceId: string,
  launch?: Record<string, number>,
  terminate?: Record<string, number>,
): Record<string, AttributeValue> {
  return {
    instanceId: { S: instanceId },
    state: { S: 'joining' },
    computerName: { S: 'A00000000000001' },
    ...(launch ? { launch: times(launch) } : {}),
    ...(terminate ? { terminate: times(terminate) } : {}),
  };
}

export function watched(n: number, over: Partial<Watched> = {}): Watched {
  return { instanceId: idOf(n), lifecycleState: 'Pending:Wait', membership: undefined, since: 0, ...over };
}
