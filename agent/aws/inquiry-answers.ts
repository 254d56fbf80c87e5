/** Answers to operators' questions: what a worker found at its place, in the ledger's table. */
import { PutItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { marshall, unmarshall } from '@aws-sdk/util-dynamodb';
import * as z from 'zod';
import type { Finding } from '../checks/check.ts';
import { callAws } from './errors.ts';
import { readItem } from './table-item.ts';

/** An item of the ledger's table that is no membership: no instance ID looks like this. */
const keyOf = (id: string): string => `inquiry/${id}`;

/** Seconds for which an answer stays. */
const KEEP_S = 86_400;
/** Characters of a text at most: an item has 400 KB, and a finding is for a terminal. */
const LONGEST = 2_000;

export interface Answer {
  /** Host name of the worker. */
  readonly worker: string;
  readonly findings: readonly Finding[];
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}

const finding: z.ZodType<Finding> = z.object({
  id: z.string(),
  category: z.string(),
  title: z.string(),
  severity: z.enum(['fatal', 'warning']),
  state: z.enum(['passed', 'failed', 'skipped']),
  text: z.string().exactOptional(),
  todo: z.string().exactOptional(),
});

const record = z.object({ worker: z.string(), findings: z.array(finding), at: z.number() });

export interface Answers {
  find(id: string): Promise<Answer | undefined>;
  /** @param clean takes secrets out of a text */
  note(id: string, answer: Answer, clean: (text: string) => string): Promise<void>;
}

export function createAnswers(client: DynamoDBClient, tableName: string): Answers {
  return {
    async find(id) {
      const Item = await readItem(client, tableName, keyOf(id));
      return Item && record.parse(unmarshall(Item, { wrapNumbers: Number }));
    },
    async note(id, { worker, findings, at }, clean) {
      const key = keyOf(id);
      const expiresAt = Math.round(at / 1000) + KEEP_S;
      const cleaned = findings.map((each) => ({
        ...each,
        ...(each.text !== undefined && { text: clean(each.text).slice(0, LONGEST) }),
      }));
      await callAws(`dynamodb:PutItem ${key}`, undefined, () =>
        client.send(
          new PutItemCommand({
            TableName: tableName,
            Item: marshall({ instanceId: key, worker, findings: cleaned, at, expiresAt }),
          }),
        ),
      );
    },
  };
}
