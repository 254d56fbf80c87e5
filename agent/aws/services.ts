/** A harmless call to each service that the worker needs: it shows that the endpoint answers, and that the role may ask. */
import { DescribeAutoScalingInstancesCommand } from '@aws-sdk/client-auto-scaling';
import { DescribeInstancesCommand } from '@aws-sdk/client-ec2';
import { ChangeMessageVisibilityCommand } from '@aws-sdk/client-sqs';
import { DescribeInstanceInformationCommand } from '@aws-sdk/client-ssm';
import type { Clock } from '../clock.ts';
import type { Config } from '../config.ts';
import { AdjoinError } from '../errors.ts';
import type { Clients } from './clients.ts';
import { callAws } from './errors.ts';
import { readItem } from './table-item.ts';

/** The least that these listings take for a page (API references). */
const FEWEST = 5;

/** No message has it. */
const NO_RECEIPT = 'adjoin-check';

type Call = (signal: AbortSignal) => Promise<void>;

/** @returns the calls by service, and how far this clock is from AWS's after one of them */
export function createServices(
  clients: Clients,
  config: Pick<Config, 'queueUrl' | 'table'>,
  clock: Clock,
): { readonly calls: ReadonlyMap<string, Call>; readonly skewMs: () => number | undefined } {
  const { autoScaling, dynamodb, ec2, sqs, ssm } = clients;
  const skewMs = watchTime(ssm.middlewareStack, clock);
  const calls = new Map<string, Call>([
    [
      'sqs',
      async (signal) => {
        // The role may neither look at the queue nor count its messages. That it knows no such receipt is an answer.
        try {
          await callAws('sqs:ChangeMessageVisibility', signal, () =>
            sqs.send(
              new ChangeMessageVisibilityCommand({
                QueueUrl: config.queueUrl,
                ReceiptHandle: NO_RECEIPT,
                VisibilityTimeout: 0,
              }),
              { abortSignal: signal },
            ),
          );
        } catch (error) {
          const isAnswer = error instanceof AdjoinError && /ReceiptHandle|Invalid/.test(error.message);
          if (!(isAnswer && error.code === 'aws-refused')) throw error;
        }
      },
    ],
    [
      'autoscaling',
      async (signal) => {
        await callAws('autoscaling:DescribeAutoScalingInstances', signal, () =>
          autoScaling.send(new DescribeAutoScalingInstancesCommand({ MaxRecords: 1 }), {
            abortSignal: signal,
          }),
        );
      },
    ],
    [
      'ec2',
      async (signal) => {
        await callAws('ec2:DescribeInstances', signal, () =>
          ec2.send(new DescribeInstancesCommand({ MaxResults: FEWEST }), { abortSignal: signal }),
        );
      },
    ],
    [
      'ssm',
      async (signal) => {
        await callAws('ssm:DescribeInstanceInformation', signal, () =>
          ssm.send(new DescribeInstanceInformationCommand({ MaxResults: FEWEST }), { abortSignal: signal }),
        );
      },
    ],
    ['dynamodb', async () => void (await readItem(dynamodb, config.table, 'sweep-lease'))],
  ]);
  return { calls, skewMs };
}

/** The part of a client that its answers come through. */
type Answers = Clients['ssm']['middlewareStack'];

function dateOf(response: unknown): number | undefined {
  const headers: unknown =
    typeof response === 'object' && response !== null ? Reflect.get(response, 'headers') : undefined;
  const date: unknown =
    typeof headers === 'object' && headers !== null ? Reflect.get(headers, 'date') : undefined;
  const time = typeof date === 'string' ? Date.parse(date) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}

/** @returns how many milliseconds this clock is ahead of AWS's, by the last answer that had a date, which is in whole seconds */
export function watchTime(answers: Pick<Answers, 'add'>, clock: Clock): () => number | undefined {
  let skewMs: number | undefined;
  answers.add(
    (next) => async (input) => {
      const result = await next(input);
      const date = dateOf(result.response);
      if (date !== undefined) skewMs = clock.now() - date;
      return result;
    },
    { step: 'deserialize', priority: 'low' },
  );
  return () => skewMs;
}
