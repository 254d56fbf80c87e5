import type { Keys } from '../kms/keys.ts';
import type { Place } from '../place.ts';
import type { Authorize } from '../seams.ts';
import type { Requirement } from '../service.ts';
import type { Queues } from '../sqs/queues.ts';
import type { LifecycleHook } from './hook.ts';

/** Sends what hooks have to say, as a session of the hook's role: the role needs the right, and the queue's policy agrees. */
export class HookPublisher {
  readonly #place: Place;
  readonly #authorize: Authorize;
  readonly #queues: Queues;
  readonly #keys: Keys;

  constructor(parts: { place: Place; authorize: Authorize; queues: Queues; keys: Keys }) {
    this.#place = parts.place;
    this.#authorize = parts.authorize;
    this.#queues = parts.queues;
    this.#keys = parts.keys;
  }

  /** False when it could not be sent. Auto Scaling tells only the caller of PutLifecycleHook. */
  async publish(hook: LifecycleHook, body: string): Promise<boolean> {
    const queue = this.#queues.withArn(hook.targetArn ?? '');
    const { roleArn } = hook;
    if (!queue || roleArn === undefined) return false;
    const context = { 'aws:sqs:arn': queue.arn };
    const wanted: Requirement[] = [
      // A hook has only the queue's ARN, and SendMessage takes a URL.
      { action: 'sqs:GetQueueUrl', resources: [{ arn: queue.arn }] },
      { action: 'sqs:SendMessage', resources: [{ arn: queue.arn }] },
      ...this.#keys.uses('write', queue.settings.get('KmsMasterKeyId'), 'sqs', context),
    ];
    if (!(await this.#mayAssume(roleArn))) return false;
    for (const need of wanted) {
      for (const resource of need.resources) {
        if (!(await this.#may(roleArn, need, resource.arn))) return false;
      }
    }
    queue.send(body, { senderId: 'autoscaling.amazonaws.com' });
    return true;
  }

  async #mayAssume(roleArn: string): Promise<boolean> {
    const { accountId, region } = this.#place;
    const decision = await this.#authorize({
      principal: { name: 'autoscaling', arn: 'autoscaling.amazonaws.com', accessKeyId: '' },
      action: 'sts:AssumeRole',
      resource: { arn: roleArn },
      context: {
        'aws:SourceAccount': accountId,
        'aws:RequestedRegion': region,
        'aws:SecureTransport': 'true',
      },
    });
    return decision.allowed;
  }

  async #may(roleArn: string, need: Requirement, resourceArn: string): Promise<boolean> {
    const { accountId, region } = this.#place;
    const role = roleArn.split('/').at(-1) ?? '';
    const decision = await this.#authorize({
      principal: {
        name: role,
        arn: `arn:aws:sts::${accountId}:assumed-role/${role}/AutoScaling`,
        accessKeyId: '',
        roleArn,
      },
      action: need.action,
      resource: { arn: resourceArn },
      context: {
        'aws:PrincipalArn': roleArn,
        'aws:PrincipalAccount': accountId,
        'aws:RequestedRegion': region,
        'aws:SecureTransport': 'true',
        // The session is Auto Scaling's own: it does not call on behalf of another principal.
        'aws:ViaAWSService': need.via === undefined ? 'false' : 'true',
        ...(need.via === undefined ? {} : { 'kms:ViaService': `${need.via}.${region}.amazonaws.com` }),
        ...need.context,
      },
    });
    return decision.allowed;
  }
}
