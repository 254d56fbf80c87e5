import {
  StartSession$,
  TerminateSession$,
  type StartSessionCommandInput,
  type StartSessionResponse,
  type TerminateSessionCommandInput,
  type TerminateSessionResponse,
} from '@aws-sdk/client-ssm';
import type { Instances } from '../ec2/instances.ts';
import { ServiceFailure } from '../failure.ts';
import { operationsOn } from '../operations.ts';
import { arn, type Place } from '../place.ts';
import type { Call, Operation, Requirement } from '../service.ts';
import type { Documents } from './documents.ts';
import type { Nodes } from './nodes.ts';
import { documentResource, onInstance } from './resources.ts';
import type { Sessions } from './sessions.ts';

interface SessionParts {
  readonly place: Place;
  readonly documents: Documents;
  readonly nodes: Nodes;
  readonly instances: Instances;
  readonly sessions: Sessions;
}

export function sessionOperations(parts: SessionParts): Operation[] {
  const on = operationsOn('ssm', parts);
  return [on(StartSession$, startSession, ofSession), on(TerminateSession$, terminateSession, ofTermination)];
}

function ofSession(parts: SessionParts, input: StartSessionCommandInput): Requirement[] {
  const named = input.DocumentName;
  return [
    onInstance(parts, 'ssm:StartSession', input.Target ?? ''),
    {
      action: 'ssm:StartSession',
      resources: [documentResource(parts, named ?? 'SSM-SessionManagerRunShell')],
      context: { 'ssm:SessionDocumentAccessCheck': String(named !== undefined) },
    },
  ];
}

function ofTermination(
  { place, sessions }: SessionParts,
  input: TerminateSessionCommandInput,
): Requirement[] {
  const owner = sessions.find(input.SessionId ?? '')?.owner;
  return [
    {
      action: 'ssm:TerminateSession',
      resources: [{ arn: arn(place, 'ssm', `session/${input.SessionId ?? ''}`) }],
      context: owner === undefined ? {} : { 'ssm:resourceTag/aws:ssmmessages:session-id': owner },
    },
  ];
}

function startSession(
  { place, nodes, sessions }: SessionParts,
  input: StartSessionCommandInput,
  call: Call,
): StartSessionResponse {
  const id = input.Target ?? '';
  if (!nodes.registered(id)) throw new ServiceFailure('TargetNotConnected', `${id} is not connected.`);
  const session = sessions.start(call.principal);
  const streamUrl = `wss://ssmmessages.${place.region}.amazonaws.com/v1/data-channel/${session.id}?role=publish_subscribe`;
  return { SessionId: session.id, StreamUrl: streamUrl, TokenValue: session.token };
}

function terminateSession(
  { sessions }: SessionParts,
  input: TerminateSessionCommandInput,
): TerminateSessionResponse {
  if (!sessions.end(input.SessionId ?? '')) throw new ServiceFailure('DoesNotExistException', '');
  return { SessionId: input.SessionId };
}
