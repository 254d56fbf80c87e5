import { ServiceFailure } from '../failure.ts';
import { operationTable } from '../operations.ts';
import { arn, type Place } from '../place.ts';
import type { Operation, Requirement, Service } from '../service.ts';
import { isRecord, membersOf } from '../wire/shape.ts';
import { deletionProtected } from './deletion-protection.ts';
import { Tables } from './tables.ts';
import { partsOf, TRANSACTIONS } from './transactions.ts';

/** What dynalite can do, and transactions. */
const operations = [
  'BatchGetItem',
  'BatchWriteItem',
  'CreateTable',
  'DeleteItem',
  'DeleteTable',
  'DescribeTable',
  'DescribeTimeToLive',
  'GetItem',
  'ListTables',
  'ListTagsOfResource',
  'PutItem',
  'Query',
  'Scan',
  'TagResource',
  'TransactGetItems',
  'TransactWriteItems',
  'UntagResource',
  'UpdateItem',
  'UpdateTable',
] as const;

/** Requests are passed on to dynalite as they came; what they ask for is read only to ask for permission. */
export function dynamoDbService(place: Place): Service {
  const answer = deletionProtected(new Tables(place));
  return {
    name: 'dynamodb',
    protocol: 'json1.0',
    selector: 'DynamoDB_20120810',
    errors: [],
    operations: operationTable(
      operations.map((name): Operation => ({
        name,
        decode: (_service, body) => decode(body),
        requires: (input) => requirements(place, name, input),
        carryOut: (_service, input, call) => answer(name, input, call.request),
      })),
    ),
  };
}

function decode(body: string): unknown {
  try {
    const input: unknown = JSON.parse(body);
    if (isRecord(input)) return input;
  } catch {
    // Falls through to the same refusal.
  }
  throw new ServiceFailure('SerializationException', 'The body is not a JSON object.');
}

/** A transaction asks for what each of its parts asks for by itself (developer guide, "Using IAM with DynamoDB transactions"). */
function requirements(place: Place, operation: string, input: unknown): Requirement[] {
  if (!TRANSACTIONS.has(operation)) return [requirement(place, operation, input)];
  const kind = operation === 'TransactGetItems' ? 'Get' : 'Put';
  return partsOf(input, kind).map((part) => requirement(place, `${kind}Item`, part));
}

function requirement(place: Place, operation: string, input: unknown): Requirement {
  const action = `dynamodb:${operation}`;
  const { TableName: table, IndexName: index } = membersOf(input);
  if (typeof table !== 'string') return { action, resources: [] };
  const indexPath = typeof index === 'string' ? `/index/${index}` : '';
  return { action, resources: [{ arn: arn(place, 'dynamodb', `table/${table}${indexPath}`) }] };
}
