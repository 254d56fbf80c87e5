/** Who calls AWS, and what time it is there. */
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { callAws } from '../../aws/errors.ts';
import { watchTime } from '../../aws/services.ts';
import type { Clock } from '../../clock.ts';

export interface Identity {
  readonly account: string;
  readonly arn: string;
  /** Milliseconds that this computer is ahead of AWS, or behind it; nothing when the answer has no date. */
  readonly skewMs: number | undefined;
}

export interface Caller {
  identity(signal: AbortSignal): Promise<Identity>;
  close(): void;
}

export function createCaller(region: string, clock: Clock): Caller {
  const sts = new STSClient({ region, maxAttempts: 3 });
  const skewMs = watchTime(sts.middlewareStack, clock);
  return {
    async identity(signal) {
      const { Account = '', Arn = '' } = await callAws('sts:GetCallerIdentity', signal, () =>
        sts.send(new GetCallerIdentityCommand({}), { abortSignal: signal }),
      );
      return { account: Account, arn: Arn, skewMs: skewMs() };
    },
    close: () => sts.destroy(),
  };
}
