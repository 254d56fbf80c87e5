/** What must be so for one instance, or hybrid node. */
import { type Check, failed, passed, skipped } from '../../checks/check.ts';
import { asksFor, OPT_IN_TAG } from '../../lifecycle/admission.ts';
import { isHybrid } from '../../lifecycle/request.ts';
import type { DeskPorts } from './ports.ts';

export function nodeChecks(instanceId: string): readonly Check<DeskPorts>[] {
  const category = `node ${instanceId}`;
  return [
    {
      id: 'node',
      category,
      title: 'the instance runs',
      severity: 'fatal',
      todo: 'Compare the ID and the Region. EC2 forgets a terminated instance after about an hour.',
      actions: ['ec2:DescribeInstances'],
      needs: ['identity'],
      async look({ instance }, signal) {
        if (isHybrid(instanceId)) return passed('a hybrid node, of which EC2 knows nothing');
        const found = await instance(instanceId, signal);
        if (!found) return failed('EC2 does not show it.');
        return found.state === 'running'
          ? passed(found.group ?? 'of no group')
          : failed(`It is ${found.state}.`);
      },
    },
    {
      id: 'node-tag',
      category,
      title: `it has the tag ${OPT_IN_TAG}=true`,
      severity: 'fatal',
      todo: 'Set the tag on the instance, and on its group with PropagateAtLaunch. No command may reach an instance without it.',
      actions: ['ec2:DescribeInstances'],
      needs: ['node'],
      async look({ instance }, signal) {
        if (isHybrid(instanceId)) return skipped('tags of hybrid nodes are not shown by EC2');
        const value = (await instance(instanceId, signal))?.tags.get(OPT_IN_TAG);
        return asksFor(value)
          ? passed()
          : failed(value === undefined ? 'It has no such tag.' : `It is ${value}.`);
      },
    },
    {
      id: 'node-managed',
      category,
      title: 'Systems Manager reaches it',
      severity: 'fatal',
      todo: 'Check its instance profile (the policy …-node), its SSM agent, and its way to the endpoints ssm and ssmmessages on 443.',
      actions: ['ssm:DescribeInstanceInformation'],
      needs: ['node'],
      async look({ managed }, signal) {
        const found = (await managed([instanceId], signal)).get(instanceId);
        if (!found) return failed('It has never registered.');
        return found.isOnline
          ? passed(`${found.platform}, SSM agent ${found.agentVersion}`)
          : failed('It does not answer any more.');
      },
    },
    {
      id: 'node-member',
      category,
      title: 'it is a member of the domain',
      severity: 'fatal',
      todo: 'What the ledger has last says why, if anything was tried. Try it by hand: `adjoin join --instance …`.',
      actions: ['dynamodb:GetItem'],
      needs: ['node', 'ledger'],
      async look({ membership }) {
        const known = await membership(instanceId);
        if (!known) return failed('The ledger knows nothing of it: nothing was tried.');
        if (known.state === 'member') return passed(known.computerName);
        const { lastError } = known;
        return failed(
          `It is ${known.state}.${lastError ? ` Last: ${lastError.code}: ${lastError.message}` : ''}`,
        );
      },
    },
  ];
}
