import {
  DeleteWarmPool$,
  DescribeWarmPool$,
  PutWarmPool$,
  type DeleteWarmPoolCommandInput,
  type DescribeWarmPoolAnswer,
  type DescribeWarmPoolCommandInput,
  type PutWarmPoolCommandInput,
} from '@aws-sdk/client-auto-scaling';
import { ServiceFailure } from '../failure.ts';
import { operationsOn } from '../operations.ts';
import type { Operation } from '../service.ts';
import { isPooled } from './groups.ts';
import { ofGroup, type AutoScalingParts } from './parts.ts';
import { memberShape } from './shapes.ts';

export function warmPoolOperations(parts: AutoScalingParts): Operation[] {
  const on = operationsOn('autoscaling', parts);
  return [
    on(PutWarmPool$, putWarmPool, ofGroup),
    on(DescribeWarmPool$, describeWarmPool),
    on(DeleteWarmPool$, deleteWarmPool, ofGroup),
  ];
}

function putWarmPool({ groups }: AutoScalingParts, input: PutWarmPoolCommandInput): object {
  const group = groups.get(input.AutoScalingGroupName);
  const { PoolState = 'Stopped', MinSize = 0, MaxGroupPreparedCapacity: most } = input;
  if (PoolState !== 'Stopped' && PoolState !== 'Running') {
    throw new ServiceFailure('ValidationError', `The pool state ${PoolState} is not emulated here.`);
  }
  if (MinSize < 0) throw new ServiceFailure('ValidationError', 'The minimum size must not be negative.');
  if (most !== undefined && most !== -1 && most < group.desired) {
    throw new ServiceFailure(
      'ValidationError',
      `MaxGroupPreparedCapacity ${most} must not be less than the desired capacity ${group.desired}.`,
    );
  }
  group.pool = {
    least: MinSize,
    prepared: most === -1 ? undefined : (most ?? group.pool?.prepared),
    state: PoolState,
    reuse: input.InstanceReusePolicy?.ReuseOnScaleIn ?? group.pool?.reuse ?? false,
  };
  groups.reconcile(group, 'a warm pool was put');
  return {};
}

function describeWarmPool(
  { groups }: AutoScalingParts,
  input: DescribeWarmPoolCommandInput,
): DescribeWarmPoolAnswer {
  const group = groups.get(input.AutoScalingGroupName);
  const { pool } = group;
  return {
    Instances: [...group.members.values()].filter(isPooled).map((member) => memberShape(member)),
    ...(pool && {
      WarmPoolConfiguration: {
        MinSize: pool.least,
        MaxGroupPreparedCapacity: pool.prepared,
        PoolState: pool.state,
        InstanceReusePolicy: { ReuseOnScaleIn: pool.reuse },
      },
    }),
  };
}

function deleteWarmPool({ groups }: AutoScalingParts, input: DeleteWarmPoolCommandInput): object {
  const group = groups.get(input.AutoScalingGroupName);
  const pooled = [...group.members.values()].some(isPooled);
  if (pooled && input.ForceDelete !== true) {
    throw new ServiceFailure('ResourceInUse', 'The warm pool still has instances in it.');
  }
  group.pool = undefined;
  groups.reconcile(group, 'the warm pool was deleted');
  return {};
}
