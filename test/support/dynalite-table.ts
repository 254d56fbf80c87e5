/** The ledger's table in an emulated DynamoDB on the loopback, for tests of the adapters. */
import type { Server } from 'node:http';
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import dynalite from 'dynalite';

export const TABLE = 'adjoin';

/** The port that the server got. */
export function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : 0);
    });
  });
}

export const clientOf = (port: number): DynamoDBClient =>
  new DynamoDBClient({
    region: 'eu-central-1',
    endpoint: `http://127.0.0.1:${port}`,
    credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'example' },
    maxAttempts: 1,
  });

export interface DynaliteTable {
  readonly client: DynamoDBClient;
  close(): void;
}

/** Starts a server with an empty table named `TABLE`. */
export async function startTable(): Promise<DynaliteTable> {
  const server = dynalite({ createTableMs: 0 });
  // By default it closes a connection that was idle for five seconds. On a busy machine a test may be that slow, and its
  // next request would go to a closed connection.
  server.keepAliveTimeout = 0;
  const client = clientOf(await listen(server));
  await client.send(
    new CreateTableCommand({
      TableName: TABLE,
      KeySchema: [{ AttributeName: 'instanceId', KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: 'instanceId', AttributeType: 'S' }],
      BillingMode: 'PAY_PER_REQUEST',
    }),
  );
  return {
    client,
    close() {
      client.destroy();
      server.close();
    },
  };
}
