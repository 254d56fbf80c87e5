/** SQS: what a queue's policy, name and attributes may be. */
import { ServiceFailure } from '../failure.ts';
import { enforce, type Limit, type Source } from './limit.ts';
import { actionsOf, conditionsOf, principalsOf, statementsOf } from './policy-parts.ts';

const policyQuotas: Source = {
  title: 'Amazon SQS policy quotas',
  url: 'https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-policies.html',
};
const queueQuotas: Source = {
  title: 'Amazon SQS message quotas',
  url: 'https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html',
};
const createQueue: Source = {
  title: 'CreateQueue, Amazon SQS API Reference',
  url: 'https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html',
};

/** SQS answers a policy that is over a quota with 403. */
const overLimit = { code: 'OverLimit', status: 403 } as const;

export const sqsPolicy = {
  bytes: {
    what: "bytes of a queue's policy",
    most: 8192,
    unit: 'bytes',
    source: policyQuotas,
    refusal: {
      ...overLimit,
      words: () => 'Submitted policy is over max allowed size.',
      seen: {
        title: 'Submitted policy is over max allowed size (BishopFox/cloudfoxable, issue 29)',
        url: 'https://github.com/BishopFox/cloudfoxable/issues/29',
      },
    },
  },
  statements: {
    what: "statements of a queue's policy",
    most: 20,
    source: policyQuotas,
    refusal: {
      ...overLimit,
      words: (given) => `${given} statements were found in the submitted policy, max allowed is 20`,
    },
  },
  actions: {
    what: "actions in a statement of a queue's policy",
    most: 7,
    source: policyQuotas,
    refusal: {
      ...overLimit,
      words: (given) =>
        `${given} actions were found in a statement from the submitted policy, max allowed is 7`,
      seen: {
        title:
          'Separate SQS statements to fit within allowed limit of 7 (ministryofjustice/cloud-platform-environments, pull request 9082)',
        url: 'https://github.com/ministryofjustice/cloud-platform-environments/pull/9082',
      },
    },
  },
  // The table says "per statement" of actions alone: the rest is read as being of the whole policy, which is the stricter reading.
  principals: {
    what: "principals of a queue's policy",
    most: 50,
    source: policyQuotas,
    refusal: {
      ...overLimit,
      words: (given) => `${given} principals were found in the submitted policy, max allowed is 50`,
    },
  },
  conditions: {
    what: "conditions of a queue's policy",
    most: 10,
    source: policyQuotas,
    refusal: {
      ...overLimit,
      words: (given) => `${given} conditions were found in the submitted policy, max allowed is 10`,
    },
  },
} as const satisfies Readonly<Record<string, Limit>>;

/** @throws ServiceFailure for a policy that SQS would not take */
export function checkQueuePolicy(text: string): void {
  enforce(sqsPolicy.bytes, text);
  let policy: unknown;
  try {
    policy = JSON.parse(text);
  } catch {
    throw new ServiceFailure('InvalidAttributeValue', 'Invalid value for the parameter Policy.');
  }
  const statements = statementsOf(policy);
  enforce(sqsPolicy.statements, statements.length);
  for (const statement of statements) enforce(sqsPolicy.actions, actionsOf(statement).length);
  enforce(sqsPolicy.principals, statements.flatMap(principalsOf).length);
  enforce(sqsPolicy.conditions, statements.flatMap(conditionsOf).length);
}

export const queueName: Limit = {
  what: "a queue's name",
  // A FIFO queue's name ends in `.fifo`; Auto Scaling does not send to such queues, and there are none here.
  pattern: /^[\w-]{1,80}$/,
  source: createQueue,
  refusal: {
    code: 'InvalidParameterValue',
    // As other emulators of SQS answer; AWS's pages do not print it.
    words: () => 'Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length',
  },
};

function seconds(name: string, least: number, most: number): Limit {
  return {
    what: `a queue's ${name}`,
    least,
    most,
    source: createQueue,
    refusal: {
      code: 'InvalidAttributeValue',
      words: () => `Invalid value for the parameter ${name}.`,
      seen: {
        title: 'Invalid value for the parameter VisibilityTimeout (apache/airflow, issue 65592)',
        url: 'https://github.com/apache/airflow/issues/65592',
      },
    },
  };
}

/** Attributes that are numbers. */
export const queueNumbers: Readonly<Record<string, Limit>> = {
  DelaySeconds: seconds('DelaySeconds', 0, 900),
  KmsDataKeyReusePeriodSeconds: seconds('KmsDataKeyReusePeriodSeconds', 60, 86_400),
  // 1 KiB to 1 MiB
  MaximumMessageSize: { ...seconds('MaximumMessageSize', 1024, 1_048_576), source: queueQuotas },
  MessageRetentionPeriod: seconds('MessageRetentionPeriod', 60, 1_209_600),
  ReceiveMessageWaitTimeSeconds: seconds('ReceiveMessageWaitTimeSeconds', 0, 20),
  VisibilityTimeout: seconds('VisibilityTimeout', 0, 43_200),
};
