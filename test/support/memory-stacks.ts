/** CloudFormation with one stack, which a test drives. */
import type {
  ChangeSet,
  StackEvent,
  StackFacts,
  StackResource,
  StacksPort,
} from '../../agent/operator/deploy/ports.ts';

const changes = [
  { action: 'Add', logicalId: 'Queue', type: 'AWS::SQS::Queue', replaced: false },
  { action: 'Add', logicalId: 'Table', type: 'AWS::DynamoDB::Table', replaced: false },
] as const;

/** One stack, as CloudFormation has it: its events are what happens while it is followed. */
export class MemoryStacks implements StacksPort {
  status: string | undefined;
  parameters = new Map<string, string>();
  readonly done: string[] = [];
  readonly past: StackEvent[] = [];
  /** Statuses that an operation goes through, and what it leaves. */
  coming: { readonly events: readonly StackEvent[]; readonly end: string | undefined }[] = [];
  offer: ChangeSet = { status: 'CREATE_COMPLETE', reason: undefined, changes };
  failed: string[] = [];
  outputs = new Map([['AgentConfig', '{}']]);
  /** Resources of the template. */
  kept: Record<string, { Type: string; DeletionPolicy?: string }> = {};
  present: StackResource[] = [];
  #count = 0;

  event(logicalId: string, status: string, reason?: string): StackEvent {
    this.#count += 1;
    const isStack = logicalId === 'adjoin';
    return { id: String(this.#count), at: 0, logicalId, type: 'T', status, reason, isStack };
  }

  #next(): void {
    const step = this.coming.shift();
    if (!step) throw new Error('nothing is to come');
    this.past.push(...step.events);
    this.status = step.end;
  }

  async find(): Promise<StackFacts | undefined> {
    if (this.status === undefined) return undefined;
    return {
      id: 'arn',
      status: this.status,
      reason: undefined,
      parameters: this.parameters,
      outputs: this.outputs,
    };
  }
  async events(_id: string, after: string | undefined): Promise<readonly StackEvent[]> {
    if (
      this.status?.endsWith('_IN_PROGRESS') === true &&
      this.status !== 'REVIEW_IN_PROGRESS' &&
      after !== undefined
    )
      this.#next();
    return this.past.slice(this.past.findIndex(({ id }) => id === after) + 1);
  }
  async resources() {
    const failed = this.failed.map((logicalId) => ({
      logicalId,
      physicalId: logicalId,
      type: 'T',
      status: 'DELETE_FAILED',
      reason: 'still in use',
    }));
    return [...failed, ...this.present];
  }
  async template() {
    return JSON.stringify({ Resources: this.kept });
  }
  async propose({
    isNew,
    parameters,
  }: {
    isNew: boolean;
    parameters: ReadonlyMap<string, string | undefined>;
  }) {
    const values = [...parameters].map(([name, value]) => `${name}=${value ?? '(kept)'}`);
    this.done.push(`propose ${isNew ? 'CREATE' : 'UPDATE'} ${values.join(' ')}`.trim());
    if (isNew) this.status = 'REVIEW_IN_PROGRESS';
    return 'change-set';
  }
  async changeSet() {
    return this.offer;
  }
  async withdraw() {
    this.done.push('withdraw');
  }
  async execute() {
    this.done.push('execute');
    this.#next();
  }
  async delete() {
    this.done.push('delete');
    if (this.status === 'REVIEW_IN_PROGRESS') this.status = undefined;
    else this.#next();
  }
}
