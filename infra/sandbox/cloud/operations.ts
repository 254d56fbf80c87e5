import { NormalizedSchema } from '@smithy/core/schema';
import type { StaticOperationSchema } from '@smithy/types';
import type { Call, Operation, Requirement, Resource } from './service.ts';
import { decodeInput, encodeOutput } from './wire/answer.ts';

/** What an operation is made of, before `Input` is forgotten. */
interface Behaviour {
  run(input: unknown, call: Call): unknown;
  needs(input: unknown): readonly Requirement[] | readonly Resource[];
}

/**
 * Ties the operations of one service to functions that all work on the same parts: `on(SendCommand$, sendCommand, ofSend)`.
 * `Input` and `Output` are the SDK's types for the schema: the wire decodes by the schema, so that a table of operations may
 * forget them. `requires` gives the resources that the action of the operation's own name touches, or whole requirements.
 */
export function operationsOn<On>(service: string, on: On) {
  return <Input, Output>(
    schema: StaticOperationSchema,
    run: (on: On, input: Input, call: Call) => Output | Promise<Output>,
    requires: (on: On, input: Input) => readonly Requirement[] | readonly Resource[] = () => [],
  ): Operation => {
    const behaviour: Behaviour = {
      run: (input: Input, call) => run(on, input, call),
      needs: (input: Input) => requires(on, input),
    };
    return schemaOperation(`${service}:${schema[2]}`, schema, behaviour);
  };
}

function schemaOperation(action: string, schema: StaticOperationSchema, behaviour: Behaviour): Operation {
  const name = schema[2];
  const input = NormalizedSchema.of(schema[4]);
  const output = NormalizedSchema.of(schema[5]);
  return {
    name,
    decode: (service, body) => decodeInput(service, input, body),
    requires(decoded) {
      const needed = behaviour.needs(decoded);
      const requirements = needed.filter((each): each is Requirement => 'action' in each);
      if (requirements.length > 0) return requirements;
      return [{ action, resources: needed.filter((each): each is Resource => 'arn' in each) }];
    },
    async carryOut(service, decoded, call) {
      return encodeOutput(service, { name, output }, await behaviour.run(decoded, call), call.requestId);
    },
  };
}

export function operationTable(operations: readonly Operation[]): ReadonlyMap<string, Operation> {
  return new Map(operations.map((each) => [each.name, each]));
}
