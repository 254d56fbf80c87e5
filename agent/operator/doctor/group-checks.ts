/** What must be so for one attached group. */
import { roleNameOf } from '../roles.ts';
import { type Check, failed, passed, skipped } from '../../checks/check.ts';
import { asksFor, OPT_IN_TAG } from '../../lifecycle/admission.ts';
import type { DeskPorts, HookFacts } from './ports.ts';

/** Instances that are named in a finding; the rest is counted. */
const NAMED = 3;

export function listOf(names: readonly string[]): string {
  const shown = names.slice(0, NAMED).join(', ');
  return names.length > NAMED ? `${shown} and ${names.length - NAMED} more` : shown;
}

const LAUNCHING = 'autoscaling:EC2_INSTANCE_LAUNCHING';
const TERMINATING = 'autoscaling:EC2_INSTANCE_TERMINATING';
/** What a hook must answer when no worker does: nothing enters service unverified, and every instance ends. */
const DEFAULT_RESULTS: Readonly<Record<string, string>> = {
  [LAUNCHING]: 'ABANDON',
  [TERMINATING]: 'CONTINUE',
};

/** `arn:aws:sqs:REGION:ACCOUNT:NAME` of `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME`, without the partition. */
export function queueArnEnd({ queueUrl, region, accountId }: DeskPorts['config']): string {
  const name = new URL(queueUrl).pathname.split('/').at(-1) ?? '';
  return `:sqs:${region}:${accountId}:${name}`;
}

const ours = (hooks: readonly HookFacts[], { config }: DeskPorts): HookFacts[] =>
  hooks.filter(({ targetArn }) => targetArn.endsWith(queueArnEnd(config)));

/** @param name of the group */
export function groupChecks(name: string): readonly Check<DeskPorts>[] {
  const category = `group ${name}`;
  return [
    {
      id: 'group',
      category,
      title: 'the group is there',
      severity: 'fatal',
      todo: 'Compare the name and the Region.',
      actions: ['autoscaling:DescribeAutoScalingGroups'],
      needs: ['identity'],
      async look({ group }, signal) {
        return (await group(name, signal)) ? passed() : failed(`There is no group ${name}.`);
      },
    },
    {
      id: 'group-hooks',
      category,
      title: 'its hooks send to the queue, and nothing enters service unverified',
      severity: 'fatal',
      todo: `Attach it: \`adjoin attach ${name}\`.`,
      actions: ['autoscaling:DescribeLifecycleHooks'],
      needs: ['group'],
      async look(ports, signal) {
        const found = ours(await ports.hooks(name, signal), ports);
        if (found.length === 0) return failed('No hook of it sends to the queue: it is not attached.');
        const wrong = found.filter(
          ({ transition, defaultResult }) => DEFAULT_RESULTS[transition] !== defaultResult,
        );
        if (wrong.length > 0)
          return failed(
            `${wrong.map((hook) => `${hook.name} answers ${hook.defaultResult}`).join(', ')} when no worker does.`,
          );
        const publisher = roleNameOf(ports.config, 'hook-publisher');
        const stranger = found.find(({ roleArn }) => !roleArn.endsWith(`/${publisher}`));
        if (stranger)
          return failed(`${stranger.name} sends as ${stranger.roleArn}, which the queue refuses.`);
        const has = (transition: string): boolean => found.some((hook) => hook.transition === transition);
        if (!has(TERMINATING)) return passed('join only: accounts stay until the sweep');
        return passed(has(LAUNCHING) ? 'join and unjoin' : 'unjoin only');
      },
    },
    {
      id: 'group-tag',
      category,
      title: `it has the tag ${OPT_IN_TAG}=true, and gives it to its instances`,
      severity: 'fatal',
      todo: `Set it in the code that makes the group, with PropagateAtLaunch, or by \`adjoin attach ${name}\`. Without it each launch is ended and begun anew.`,
      actions: ['autoscaling:DescribeAutoScalingGroups'],
      needs: ['group'],
      async look({ group }, signal) {
        const tag = (await group(name, signal))?.tags.get(OPT_IN_TAG);
        if (!asksFor(tag?.value))
          return failed(tag ? `${OPT_IN_TAG} is ${tag.value}.` : `It has no tag ${OPT_IN_TAG}.`);
        return tag?.propagates
          ? passed()
          : failed('New instances do not get the tag: no command may reach them.');
      },
    },
    {
      id: 'group-managed',
      category,
      title: 'Systems Manager reaches its instances',
      severity: 'fatal',
      todo: 'Check the instance profile (the policy …-node), the SSM agent of the image, and the way to the endpoints: ssm and ssmmessages on 443, the security group of nodes.',
      actions: ['autoscaling:DescribeAutoScalingGroups', 'ssm:DescribeInstanceInformation'],
      needs: ['group'],
      async look({ group, managed }, signal) {
        const ids = (await group(name, signal))?.instances
          .filter(({ lifecycleState }) => lifecycleState === 'InService')
          .map(({ instanceId }) => instanceId);
        if (ids === undefined || ids.length === 0) return skipped('no instance is in service');
        const known = await managed(ids, signal);
        const silent = ids.filter((id) => known.get(id)?.isOnline !== true);
        return silent.length === 0 ? passed(`${ids.length}`) : failed(`It does not reach ${listOf(silent)}.`);
      },
    },
    {
      id: 'group-members',
      category,
      title: 'its instances in service are members of the domain',
      severity: 'fatal',
      todo: 'An instance that was there before the hooks never joined: replace it, or `adjoin join --instance i-…`.',
      actions: ['autoscaling:DescribeAutoScalingGroups', 'dynamodb:GetItem'],
      needs: ['group', 'group-hooks', 'ledger'],
      async look(ports, signal) {
        const launches = ours(await ports.hooks(name, signal), ports).some(
          ({ transition }) => transition === LAUNCHING,
        );
        if (!launches) return skipped('unjoin only: others join them');
        const found = (await ports.group(name, signal))?.instances ?? [];
        const ids = found
          .filter(({ lifecycleState }) => lifecycleState === 'InService')
          .map((each) => each.instanceId);
        if (ids.length === 0) return skipped('no instance is in service');
        const outside: string[] = [];
        for (const id of ids) {
          signal.throwIfAborted();
          if ((await ports.membership(id))?.state !== 'member') outside.push(id);
        }
        return outside.length === 0 ? passed(`${ids.length}`) : failed(`No members: ${listOf(outside)}.`);
      },
    },
  ];
}
