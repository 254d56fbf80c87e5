import type { Instance, Instances } from '../ec2/instances.ts';
import type { LaunchData } from '../ec2/launch-templates.ts';
import { ServiceFailure } from '../failure.ts';
import { groupName } from '../limits/auto-scaling.ts';
import { enforce } from '../limits/limit.ts';
import { arn, type Place } from '../place.ts';
import type { ActionEnd, InstanceStep, Witness } from '../seams.ts';
import { uuid, type Random } from '../random.ts';
import type { Timers } from '../timers.ts';
import { globalTimeoutMs, type HookResult, type LifecycleAction, type LifecycleHook } from './hook.ts';
import { lifecycleMessage, testMessage, type LifecycleTransition, type Route } from './message.ts';
import { goOn, type Refresh } from './refresh.ts';
import { poolSize, type WarmPool } from './warm-pool.ts';

/*
 * A group's instance: states, transitions, and who takes each.
 *
 *   Pending ──booted (EC2)──▶ Pending:Wait ──CONTINUE from every hook (caller or default)──▶ Pending:Proceed ──▶ InService
 *      │ no launch hook: straight to InService     │ ABANDON (caller or default)                                     │
 *      │                                           ▼                                                                 │
 *      └─────scale-in, TerminateInstanceIn…──▶ Terminating ◀──scale-in, unhealthy, TerminateInstanceIn… (group)──────┘
 *                                                  │ no terminate hook: straight to Terminating:Proceed
 *                                                  ▼
 *        Terminating:Wait ──any result of all hooks, or one ABANDON──▶ Terminating:Proceed ──terminated (EC2)──▶ gone
 *
 * A warm pool (user guide, "Use lifecycle hooks with a warm pool"): its instances have the same states with `Warmed:` before
 * them, and rest at Warmed:Stopped or Warmed:Running. Origin and Destination of a message tell the ways apart.
 *
 *   Warmed:Pending ──launch hook──▶ Warmed:Stopped ──scale-out──▶ Pending ──launch hook──▶ InService
 *                                        ▲ │ pool too large, deleted: Warmed:Terminating ──terminate hook──▶ gone
 *   InService ──scale-in, with reuse──▶ Warmed:Pending ──terminate hook, at Warmed:Pending:Wait; ABANDON terminates──▶ there
 *
 * A new root volume (user guide, "Replace root volumes"): the same instance with an empty disk.
 *
 *   InService ──instance refresh──▶ ReplacingRootVolume ──terminate hook──▶ ReplacingRootVolume:Proceed ──▶
 *   RootVolumeReplaced ──▶ Pending ──launch hook──▶ InService
 *
 * What terminates the EC2 instance itself (TerminateInstances, failed boot, ForceDelete) takes it to
 * Terminating:Proceed from anywhere: hooks in flight are void, no others fire.
 *
 * An action ends exactly once: by CompleteLifecycleAction, by its deadline (heartbeat or global), or with its instance.
 * All hooks of a transition wait side by side. A group keeps as many instances as desired that are not Terminating;
 * launches that end before InService slow the next ones down.
 */
type Phase = 'Pending' | 'Terminating' | 'Warmed:Pending' | 'Warmed:Terminating' | 'ReplacingRootVolume';
type Rest = 'InService' | 'Warmed:Stopped' | 'Warmed:Running';
export type MemberState = Rest | Phase | `${Phase}:${'Wait' | 'Proceed'}` | 'RootVolumeReplaced';

/** What happens to a member: it launches, into group or pool; it leaves for good; it returns to the pool; or it loses its disk. */
type Way = 'launch' | 'leave' | 'return' | 'replace';

export interface Member {
  readonly instance: Instance;
  readonly actions: Map<string, LifecycleAction>;
  state: MemberState;
  /** What its last transition is, and where that leads. */
  way: Way;
  phase: Phase;
  route: Route;
  health: 'Healthy' | 'Unhealthy';
  activity: Activity;
  /** What it was launched by, whatever its group launches by now. */
  readonly launchTemplate: LaunchTemplate | undefined;
}

/** One launch or termination, as DescribeScalingActivities shows it. */
export interface Activity {
  readonly id: string;
  readonly groupName: string;
  readonly description: string;
  readonly cause: string;
  readonly startedAt: Date;
  endedAt: Date | undefined;
  status: 'InProgress' | 'MidLifecycleAction' | 'Successful' | 'Failed' | 'Cancelled';
  message: string | undefined;
}

export interface GroupTag {
  readonly value: string;
  readonly propagate: boolean;
}

export interface Group {
  readonly name: string;
  readonly arn: string;
  readonly createdAt: Date;
  readonly tags: Map<string, GroupTag>;
  readonly hooks: Map<string, LifecycleHook>;
  readonly members: Map<string, Member>;
  readonly activities: Activity[];
  readonly zones: readonly string[];
  launchTemplate: LaunchTemplate | undefined;
  readonly subnets: string | undefined;
  least: number;
  most: number;
  desired: number;
  deleting: boolean;
  /** Whether its metrics are collected. */
  isMeasured: boolean;
  readonly suspended: Set<string>;
  pool: WarmPool | undefined;
  readonly refreshes: Refresh[];
  /** What happens to its size later, by name. */
  readonly scheduled: Map<string, ScheduledAction>;
  /** Launches in a row that did not reach InService. */
  failures: number;
  notBefore: number;
}

/** A change of the group's size at a time. Of what is undefined, nothing changes. */
export interface ScheduledAction {
  readonly name: string;
  readonly at: Date;
  readonly least: number | undefined;
  readonly most: number | undefined;
  readonly desired: number | undefined;
}

export interface LaunchTemplate {
  readonly id: string | undefined;
  readonly name: string | undefined;
  readonly version: string | undefined;
}

export interface GroupsOptions {
  place: Place;
  timers: Timers;
  random: Random;
  /** Sends a body to a hook's target as the hook's role; false when that did not work. */
  notify: (hook: LifecycleHook, body: string) => Promise<boolean>;
  witness: Witness;
  /** What a launch template says; undefined where it is not known. */
  launchData: (template: LaunchTemplate) => LaunchData | undefined;
  /** How long an instance is seen in a `:Proceed` state. */
  transitionMs: number;
  /** Wait after a first failed launch; doubles up to a hundredfold. */
  launchBackoffMs: number;
  /** AWS does not say whether the terminate hook fires for an abandoned launch; the agent has to bear both. */
  terminateHookAfterAbandon: boolean;
}

const keptActivities = 500;
const mostBackoffFactor = 100;

export class Groups {
  readonly #groups = new Map<string, Group>();
  readonly #options: GroupsOptions;
  readonly #timers: Timers;
  readonly #instances: Instances;

  constructor(options: GroupsOptions, instances: Instances) {
    this.#options = options;
    this.#timers = options.timers;
    this.#instances = instances;
  }

  all(): Group[] {
    return [...this.#groups.values()];
  }

  get(name: string | undefined): Group {
    const group = this.#groups.get(name ?? '');
    if (group) return group;
    throw new ServiceFailure(
      'ValidationError',
      `AutoScalingGroup name not found - AutoScalingGroup '${name}' not found`,
    );
  }

  find(name: string): Group | undefined {
    return this.#groups.get(name);
  }

  memberOf(instanceId: string): { group: Group; member: Member } | undefined {
    for (const group of this.#groups.values()) {
      const member = group.members.get(instanceId);
      if (member) return { group, member };
    }
    return undefined;
  }

  create(
    spec: Pick<
      Group,
      'name' | 'least' | 'most' | 'desired' | 'tags' | 'zones' | 'launchTemplate' | 'subnets'
    >,
  ): Group {
    if (this.#groups.has(spec.name)) {
      throw new ServiceFailure(
        'AlreadyExists',
        'AutoScalingGroup by this name already exists - A group with the name already exists',
      );
    }
    enforce(groupName, spec.name);
    const id = uuid(this.#options.random);
    const group: Group = {
      ...spec,
      arn: arn(
        this.#options.place,
        'autoscaling',
        `autoScalingGroup:${id}:autoScalingGroupName/${spec.name}`,
      ),
      createdAt: this.#timers.date(),
      hooks: new Map(),
      members: new Map(),
      activities: [],
      deleting: false,
      isMeasured: false,
      suspended: new Set(),
      pool: undefined,
      refreshes: [],
      scheduled: new Map(),
      failures: 0,
      notBefore: 0,
    };
    checkCapacity(group.least, group.most, group.desired);
    this.#groups.set(group.name, group);
    this.reconcile(group, 'a group was created');
    return group;
  }

  resize(group: Group, capacity: Partial<Pick<Group, 'least' | 'most' | 'desired'>>, cause: string): void {
    const least = capacity.least ?? group.least;
    const most = capacity.most ?? group.most;
    // Like AWS, new bounds pull the desired capacity along unless the caller names one.
    const desired = capacity.desired ?? Math.min(most, Math.max(least, group.desired));
    checkCapacity(least, most, desired);
    Object.assign(group, { least, most, desired });
    this.reconcile(group, cause);
  }

  /** An action of the same name takes the place of the one before it. */
  schedule(group: Group, action: ScheduledAction): void {
    const wait = action.at.getTime() - this.#timers.now();
    if (wait <= 0) throw new ServiceFailure('ValidationError', 'Given start time is in the past');
    group.scheduled.set(action.name, action);
    this.#timers.after(wait, () => {
      if (group.scheduled.get(action.name) !== action || group.deleting) return;
      group.scheduled.delete(action.name);
      const { least, most, desired } = action;
      const change = {
        ...(least !== undefined && { least }),
        ...(most !== undefined && { most }),
        ...(desired !== undefined && { desired }),
      };
      this.resize(group, change, `a scheduled action ${action.name} updated the group`);
    });
  }

  delete(group: Group, force: boolean): void {
    if (group.members.size > 0 && !force) {
      throw new ServiceFailure(
        'ResourceInUse',
        'You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.',
      );
    }
    Object.assign(group, { least: 0, most: 0, desired: 0, deleting: true });
    for (const member of group.members.values())
      this.#instances.terminate(member.instance.id, 'ForceDelete of the group');
    this.#forgetIfEmpty(group);
  }

  /** A new target is tried with a test message; the hook is not put when that can't be sent. */
  async putHook(group: Group, hook: LifecycleHook): Promise<void> {
    const { place, random, notify } = this.#options;
    const { targetArn, roleArn } = hook;
    if (targetArn !== undefined && targetArn !== group.hooks.get(hook.name)?.targetArn) {
      const body = testMessage(group, place.accountId, uuid(random), this.#timers.date());
      if (!(await notify(hook, body))) {
        throw new ServiceFailure(
          'ValidationError',
          `Unable to publish test message to notification target ${targetArn} using IAM role ${roleArn ?? ''}. Please check your target and role configuration and try to put lifecycle hook again.`,
        );
      }
    }
    group.hooks.set(hook.name, hook);
  }

  /** Outstanding actions of the hook end: a launch as ABANDON, a termination as CONTINUE. */
  deleteHook(group: Group, name: string): void {
    const hook = group.hooks.get(name);
    group.hooks.delete(name);
    for (const member of group.members.values()) {
      if (hook && member.actions.has(name)) {
        this.#end(group, member, name, launching(hook.transition) ? 'ABANDON' : 'CONTINUE', 'void');
      }
    }
  }

  complete(at: ActionAddress, result: HookResult): void {
    const { group, member, action } = this.#active(at);
    this.#end(group, member, action.hook.name, result, 'answer');
  }

  heartbeat(at: ActionAddress): void {
    const { group, member, action } = this.#active(at);
    action.cancelDeadline();
    this.#arm(group, member, action);
  }

  /** Ends one instance by the group's own way, hooks included. */
  terminateMember(instanceId: string, decrement: boolean): Activity {
    const found = this.memberOf(instanceId);
    if (!found) {
      throw new ServiceFailure(
        'ValidationError',
        `Instance Id not found - No managed instance found for instance ID: ${instanceId}`,
      );
    }
    const { group, member } = found;
    if (decrement) {
      if (group.desired - 1 < group.least) {
        throw new ServiceFailure(
          'ValidationError',
          `Currently, desiredSize equals minSize (${group.least}). Terminating instance without replacement will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.`,
        );
      }
      group.desired -= 1;
    }
    this.#terminate(group, member, 'an instance was taken out of service in response to a user request');
    this.reconcile(group, 'an instance was terminated by a user');
    return member.activity;
  }

  /** Launches or terminates until the group has what is desired. */
  reconcile(group: Group, cause: string): void {
    goOn(this, group);
    const living = [...group.members.values()].filter((each) => !isLeaving(each) && !isPooled(each));
    const surplus = living.length - group.desired;
    if (surplus > 0) {
      // Those that serve longest go first; one that still launches goes only when there is no other.
      const order = living.toSorted(
        (a, b) => rank(a) - rank(b) || a.instance.launchedAt.getTime() - b.instance.launchedAt.getTime(),
      );
      for (const member of order.slice(0, surplus)) {
        if (group.pool?.reuse && member.state === 'InService') this.#return(group, member, cause);
        else this.#terminate(group, member, cause);
      }
    }
    if (surplus >= 0) return this.#fill(group, cause);
    const ready = [...group.members.values()].filter(isReady);
    for (const member of ready.slice(0, -surplus)) this.#leavePool(group, member, cause);
    const missing = -surplus - ready.length;
    if (missing <= 0) return this.#fill(group, cause);
    const wait = group.notBefore - this.#timers.now();
    if (wait > 0) {
      this.#timers.after(wait, () => this.reconcile(group, cause));
      return;
    }
    for (let count = 0; count < missing; count += 1) this.#launch(group, cause, false);
    this.#fill(group, cause);
  }

  /** Launches into the pool, or ends what it has too much of. */
  #fill(group: Group, cause: string): void {
    const pooled = [...group.members.values()].filter((each) => isPooled(each) && !isLeaving(each));
    const { pool } = group;
    const wanted = pool && !group.deleting ? poolSize(pool, group) : 0;
    // One that is on its way into the pool is not turned back.
    const surplus = pooled.filter(isReady).slice(0, Math.max(0, pooled.length - wanted));
    for (const member of surplus) this.#terminate(group, member, cause);
    if (group.notBefore > this.#timers.now()) return;
    for (let count = pooled.length; count < wanted; count += 1) this.#launch(group, cause, true);
  }

  /** Takes an instance in service back into the pool. */
  #return(group: Group, member: Member, cause: string): void {
    this.#tell(group, member, 'pooled');
    begin(member, 'return', 'Warmed:Pending', { origin: 'AutoScalingGroup', destination: 'WarmPool' });
    member.activity = this.#record(
      group,
      `Returning EC2 instance to the warm pool: ${member.instance.id}`,
      cause,
    );
    this.#enterWait(group, member, 'autoscaling:EC2_INSTANCE_TERMINATING');
  }

  #leavePool(group: Group, member: Member, cause: string): void {
    begin(member, 'launch', 'Pending', { origin: 'WarmPool', destination: 'AutoScalingGroup' });
    member.activity = this.#record(
      group,
      `Launching an EC2 instance from the warm pool: ${member.instance.id}`,
      cause,
    );
    if (member.instance.state === 'running')
      this.#enterWait(group, member, 'autoscaling:EC2_INSTANCE_LAUNCHING');
    else this.#instances.start(member.instance.id);
  }

  /** Gives an instance in service a new root volume. */
  replaceRootVolume(group: Group, member: Member, cause: string): void {
    this.#tell(group, member, 'pooled');
    begin(member, 'replace', 'ReplacingRootVolume', {
      origin: 'AutoScalingGroup',
      destination: 'AutoScalingGroup',
    });
    member.activity = this.#record(
      group,
      `Replacing the root volume of EC2 instance: ${member.instance.id}`,
      cause,
    );
    this.#enterWait(group, member, 'autoscaling:EC2_INSTANCE_TERMINATING');
  }

  refresh(group: Group, strategy: Refresh['strategy']): Refresh {
    const serving = [...group.members.values()].filter(({ state }) => state === 'InService');
    const refresh: Refresh = {
      id: uuid(this.#options.random),
      strategy,
      startedAt: this.#timers.date(),
      left: new Set(serving.map(({ instance }) => instance.id)),
      total: serving.length,
      status: 'InProgress',
    };
    group.refreshes.unshift(refresh);
    goOn(this, group);
    return refresh;
  }

  /** Terminates an instance in service, and puts another in its place. */
  replace(group: Group, member: Member, cause: string): void {
    this.#terminate(group, member, cause);
    this.reconcile(group, cause);
  }

  /** EC2 says: the instance runs. */
  running(instance: Instance): void {
    const found = this.memberOf(instance.id);
    if (!found) return;
    const { member } = found;
    if (member.state === 'RootVolumeReplaced') {
      begin(member, 'launch', 'Pending', { origin: 'AutoScalingGroup', destination: 'AutoScalingGroup' });
    } else if (member.state !== 'Pending' && member.state !== 'Warmed:Pending') return;
    this.#enterWait(found.group, found.member, 'autoscaling:EC2_INSTANCE_LAUNCHING');
  }

  /** EC2 says: the instance stopped by itself. */
  stopped(instance: Instance): void {
    const found = this.memberOf(instance.id);
    if (!found) return;
    if (isLaunching(found.member)) this.#launchFailed(found.group);
    found.member.health = 'Unhealthy';
    this.#terminate(
      found.group,
      found.member,
      'an instance was taken out of service in response to an EC2 health check',
    );
    this.reconcile(found.group, 'an unhealthy instance needed to be replaced');
  }

  /** EC2 says: the instance is being terminated. If the group did not ask for it, hooks are bypassed. */
  terminating(instance: Instance): void {
    const found = this.memberOf(instance.id);
    if (!found || found.member.state.endsWith('Terminating:Proceed')) return;
    const { group, member } = found;
    if (isLaunching(member)) this.#launchFailed(group);
    member.health = 'Unhealthy';
    this.#drop(member);
    if (!isLeaving(member)) this.#tell(group, member, 'leaving');
    Object.assign(member, { way: 'leave', phase: 'Terminating', state: 'Terminating:Proceed' });
    finish(member.activity, this.#timers.date(), 'Cancelled', instance.reason);
    member.activity = this.#record(
      group,
      `Terminating EC2 instance: ${instance.id}`,
      'the instance was terminated outside the group',
    );
    this.reconcile(group, 'a terminated instance needed to be replaced');
  }

  /** EC2 says: the instance is gone. */
  terminated(instance: Instance): void {
    const found = this.memberOf(instance.id);
    if (!found) return;
    finish(found.member.activity, this.#timers.date(), 'Successful');
    found.group.members.delete(instance.id);
    this.#tell(found.group, found.member, 'gone');
    this.#forgetIfEmpty(found.group);
    if (!found.group.deleting) this.reconcile(found.group, 'an instance was terminated');
  }

  #launch(group: Group, cause: string, pooled: boolean): void {
    const tags = new Map([['aws:autoscaling:groupName', group.name]]);
    for (const [key, tag] of group.tags) if (tag.propagate) tags.set(key, tag.value);
    const zone = group.zones[group.members.size % group.zones.length] ?? `${this.#options.place.region}a`;
    const { launchTemplate } = group;
    const launch = launchTemplate && this.#options.launchData(launchTemplate);
    const instance = this.#instances.launch(tags, zone, launch);
    const activity = this.#record(group, `Launching a new EC2 instance: ${instance.id}`, cause);
    const member: Member = {
      instance,
      actions: new Map(),
      way: 'launch',
      phase: pooled ? 'Warmed:Pending' : 'Pending',
      state: pooled ? 'Warmed:Pending' : 'Pending',
      route: { origin: 'EC2', destination: pooled ? 'WarmPool' : 'AutoScalingGroup' },
      health: 'Healthy',
      activity,
      launchTemplate,
    };
    group.members.set(instance.id, member);
    this.#tell(group, member, 'launched');
  }

  #terminate(group: Group, member: Member, cause: string, hooks = true): void {
    if (isLeaving(member)) return;
    if (member.state.includes('Pending') || member.way === 'replace')
      finish(member.activity, this.#timers.date(), 'Cancelled', cause);
    this.#drop(member);
    const pooled = isPooled(member);
    const origin = pooled ? 'WarmPool' : 'AutoScalingGroup';
    begin(member, 'leave', pooled ? 'Warmed:Terminating' : 'Terminating', { origin, destination: 'EC2' });
    this.#tell(group, member, 'leaving');
    member.activity = this.#record(group, `Terminating EC2 instance: ${member.instance.id}`, cause);
    if (hooks) this.#enterWait(group, member, 'autoscaling:EC2_INSTANCE_TERMINATING');
    else this.#proceed(group, member);
  }

  #enterWait(group: Group, member: Member, transition: LifecycleTransition): void {
    const hooks = [...group.hooks.values()].filter((each) => each.transition === transition);
    if (hooks.length === 0) {
      this.#proceed(group, member);
      return;
    }
    member.state = `${member.phase}:Wait`;
    member.activity.status = 'MidLifecycleAction';
    const { place, random, notify } = this.#options;
    for (const hook of hooks) {
      const action: LifecycleAction = {
        hook,
        token: uuid(random),
        endsAt: this.#timers.now() + globalTimeoutMs(hook.heartbeatTimeoutMs),
        cancelDeadline: () => undefined,
      };
      member.actions.set(hook.name, action);
      this.#options.witness({
        kind: 'action-begun',
        group: group.name,
        transition,
        destination: member.route.destination,
        instanceId: member.instance.id,
        token: action.token,
      });
      this.#arm(group, member, action);
      if (hook.targetArn === undefined) continue;
      void notify(
        hook,
        lifecycleMessage({
          accountId: place.accountId,
          requestId: uuid(random),
          transition,
          groupName: group.name,
          hookName: hook.name,
          instanceId: member.instance.id,
          route: member.route,
          token: action.token,
          metadata: hook.metadata,
          time: this.#timers.date(),
        }),
      );
    }
  }

  #arm(group: Group, member: Member, action: LifecycleAction): void {
    const left = Math.min(action.hook.heartbeatTimeoutMs, action.endsAt - this.#timers.now());
    action.cancelDeadline = this.#timers.after(left, () =>
      this.#end(group, member, action.hook.name, action.hook.defaultResult, 'deadline'),
    );
  }

  #end(group: Group, member: Member, hookName: string, result: HookResult, end: ActionEnd): void {
    const action = member.actions.get(hookName);
    action?.cancelDeadline();
    member.actions.delete(hookName);
    if (action) {
      const told = end === 'void' ? {} : { result };
      this.#options.witness({ kind: 'action-ended', token: action.token, end, ...told });
    }
    if (result === 'ABANDON') {
      this.#drop(member);
      if (member.way === 'launch' || member.way === 'return') {
        if (member.way === 'launch') this.#launchFailed(group);
        const hooks = this.#options.terminateHookAfterAbandon;
        this.#terminate(group, member, 'the launch lifecycle action was abandoned', hooks);
        this.reconcile(group, 'an abandoned launch needed to be replaced');
        return;
      }
    }
    if (member.actions.size === 0) this.#proceed(group, member);
  }

  #proceed(group: Group, member: Member): void {
    const proceeding: MemberState = `${member.phase}:Proceed`;
    member.state = proceeding;
    this.#timers.after(this.#options.transitionMs, () => {
      if (member.way === 'leave') {
        this.#instances.terminate(member.instance.id, 'Terminated by its Auto Scaling group');
        // It may have been terminated past the group before; EC2's own event then takes it out.
        return;
      }
      if (member.state !== proceeding) return;
      if (member.way === 'replace') {
        void this.#replaceDisk(member);
        return;
      }
      group.failures = 0;
      finish(member.activity, this.#timers.date(), 'Successful');
      if (isPooled(member)) this.#restInPool(group, member);
      else {
        member.state = 'InService';
        this.#tell(group, member, 'in-service');
      }
      this.reconcile(group, 'an instance came to rest');
    });
  }

  async #replaceDisk(member: Member): Promise<void> {
    await this.#instances.halt(member.instance.id);
    if (member.way !== 'replace') return;
    member.state = 'RootVolumeReplaced';
    this.#instances.start(member.instance.id, 'new');
  }

  #restInPool(group: Group, member: Member): void {
    const stops = group.pool?.state !== 'Running';
    member.state = stops ? 'Warmed:Stopped' : 'Warmed:Running';
    if (stops) void this.#instances.halt(member.instance.id);
  }

  #launchFailed(group: Group): void {
    const factor = Math.min(mostBackoffFactor, 2 ** group.failures);
    group.failures += 1;
    group.notBefore = this.#timers.now() + this.#options.launchBackoffMs * factor;
  }

  #tell(group: Group, member: Member, step: InstanceStep): void {
    const instanceId = member.instance.id;
    this.#options.witness({ kind: 'instance', instanceId, group: group.name, step });
  }

  #drop(member: Member): void {
    for (const action of member.actions.values()) {
      action.cancelDeadline();
      this.#options.witness({ kind: 'action-ended', token: action.token, end: 'void' });
    }
    member.actions.clear();
  }

  #active(at: ActionAddress): { group: Group; member: Member; action: LifecycleAction } {
    const group = this.get(at.groupName);
    for (const member of group.members.values()) {
      const action = member.actions.get(at.hookName);
      if (!action) continue;
      const named = at.token === undefined ? member.instance.id === at.instanceId : action.token === at.token;
      // With both given, both must fit.
      if (named && (at.instanceId === undefined || member.instance.id === at.instanceId))
        return { group, member, action };
    }
    const address = at.token === undefined ? `instance ID ${at.instanceId ?? ''}` : `token ${at.token}`;
    throw new ServiceFailure('ValidationError', `No active Lifecycle Action found with ${address}`);
  }

  #record(group: Group, description: string, cause: string): Activity {
    const startedAt = this.#timers.date();
    const activity: Activity = {
      id: uuid(this.#options.random),
      groupName: group.name,
      description,
      cause: `At ${startedAt.toISOString()} ${cause}.`,
      startedAt,
      endedAt: undefined,
      status: 'InProgress',
      message: undefined,
    };
    group.activities.unshift(activity);
    group.activities.length = Math.min(group.activities.length, keptActivities);
    return activity;
  }

  #forgetIfEmpty(group: Group): void {
    if (group.deleting && group.members.size === 0) this.#groups.delete(group.name);
  }
}

/** How a caller names an action: by token, by instance, or by both. */
export interface ActionAddress {
  groupName: string;
  hookName: string;
  token: string | undefined;
  instanceId: string | undefined;
}

function launching(transition: LifecycleTransition): boolean {
  return transition === 'autoscaling:EC2_INSTANCE_LAUNCHING';
}

/** A new transition begins. */
function begin(member: Member, way: Way, phase: Phase, route: Route): void {
  Object.assign(member, { way, phase, state: phase, route });
}

const isLeaving = ({ way }: Member): boolean => way === 'leave';
export const isPooled = ({ state }: Member): boolean => state.startsWith('Warmed:');
/** At rest in the pool. */
const isReady = ({ state }: Member): boolean => state === 'Warmed:Stopped' || state === 'Warmed:Running';
const isLaunching = ({ way, state }: Member): boolean => way === 'launch' && state.includes('Pending');

function rank(member: Member): number {
  return member.state === 'InService' ? 0 : 1;
}

function finish(activity: Activity, at: Date, status: Activity['status'], message?: string): void {
  if (activity.endedAt !== undefined) return;
  Object.assign(activity, { endedAt: at, status, message });
}

function checkCapacity(least: number, most: number, desired: number): void {
  const refuse = (message: string) => new ServiceFailure('ValidationError', message);
  if (least < 0 || least > most)
    throw refuse(`Max bound, ${most}, must be greater than or equal to min bound, ${least}`);
  if (desired < least)
    throw refuse(
      `Desired capacity:${desired} must be between the specified min size:${least} and max size:${most}`,
    );
  if (desired > most)
    throw refuse(
      `Desired capacity:${desired} must be between the specified min size:${least} and max size:${most}`,
    );
}
