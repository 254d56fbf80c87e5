import { expect, test } from '@jest/globals';
import { roleArnOf, roleNameOf } from '../../../agent/operator/roles.ts';

const here = { deployment: 'adjoin', region: 'eu-central-1', accountId: '123456789012' };

test('a role has a name with the Region', () => {
  expect(roleNameOf(here, 'worker')).toBe('adjoin-eu-central-1-worker');
});

test('a role has the path that the stack was given, in the partition of the caller', () => {
  expect(roleArnOf(here, 'hook-publisher', 'arn:aws-cn:sts::1:assumed-role/me/x', '/adjoin/')).toBe(
    'arn:aws-cn:iam::123456789012:role/adjoin/adjoin-eu-central-1-hook-publisher',
  );
});
