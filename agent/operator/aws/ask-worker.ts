/** Asks a worker, through the queue, how things are at its place, and follows the ledger's table for the answer. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { SQSClient } from '@aws-sdk/client-sqs';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { callAws } from '../../aws/errors.ts';
import { createAnswers, type Answer } from '../../aws/inquiry-answers.ts';
import { sendRequest } from '../../aws/request-outcomes.ts';
import type { Clock } from '../../clock.ts';
import type { Config } from '../../config.ts';
import { expectationOf } from '../../lifecycle/envelope.ts';
import { formatInquiry } from '../../lifecycle/inquiry.ts';
import { roleArnOf, roleNameOf } from '../roles.ts';

export interface AskOptions {
  readonly config: Config;
  /** ARN of the caller: a session of the operators' role asks as it is, anybody else takes the role. */
  readonly callerArn: string;
  /** Path of the system's roles. */
  readonly rolePath: string;
  readonly clock: Clock;
  readonly newId: () => string;
}

/** Milliseconds that a worker may take: it receives within seconds, and looks for a minute or two where nothing answers. */
const PATIENCE_MS = 180_000;
/** Milliseconds between two looks at the table. */
const LOOK_MS = 1_000;

/** @returns the answer, or why there is none */
export async function askWorker(options: AskOptions, signal: AbortSignal): Promise<Answer | string> {
  const { config, callerArn, clock } = options;
  const { region } = config;
  const isOperator = callerArn.includes(`:assumed-role/${roleNameOf(config, 'membership-operator')}/`);
  const sts = new STSClient({ region });
  const RoleArn = roleArnOf(config, 'membership-operator', callerArn, options.rolePath);
  const taken = isOperator
    ? undefined
    : (
        await callAws(`sts:AssumeRole of ${RoleArn}`, signal, () =>
          sts.send(new AssumeRoleCommand({ RoleArn, RoleSessionName: 'adjoin-doctor' }), {
            abortSignal: signal,
          }),
        ).finally(() => sts.destroy())
      ).Credentials;
  const as = {
    region,
    ...(taken && {
      credentials: {
        accessKeyId: taken.AccessKeyId ?? '',
        secretAccessKey: taken.SecretAccessKey ?? '',
        sessionToken: taken.SessionToken ?? '',
      },
    }),
  };
  const sqs = new SQSClient({ ...as, useQueueUrlAsEndpoint: false });
  const dynamodb = new DynamoDBClient(as);
  try {
    const id = options.newId();
    const askedAt = clock.now();
    await sendRequest(sqs, config.queueUrl, formatInquiry({ id, askedAt }, expectationOf(config)));
    const answers = createAnswers(dynamodb, config.table);
    while (clock.now() - askedAt < PATIENCE_MS) {
      const answer = await answers.find(id);
      if (answer) return answer;
      await clock.sleep(LOOK_MS, signal);
    }
    return `no worker answered within ${PATIENCE_MS / 1000} s`;
  } finally {
    sqs.destroy();
    dynamodb.destroy();
  }
}
