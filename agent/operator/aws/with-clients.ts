import type { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import { createClients, destroyClients, type Clients } from '../../aws/clients.ts';
import { systemClock } from '../../clock.ts';
import { createCaller, type Caller } from './caller.ts';
import { createCloudFormation } from './stacks.ts';

export interface StackClients {
  readonly clients: Clients;
  readonly cloudFormation: CloudFormationClient;
  readonly caller: Caller;
}

/** Works with what the commands on a stack call AWS with; it is closed when the work has ended. */
export async function withClients<T>(region: string, work: (aws: StackClients) => Promise<T>): Promise<T> {
  const clients = createClients(region);
  const cloudFormation = createCloudFormation(region);
  const caller = createCaller(region, systemClock);
  try {
    return await work({ clients, cloudFormation, caller });
  } finally {
    caller.close();
    cloudFormation.destroy();
    destroyClients(clients);
  }
}
