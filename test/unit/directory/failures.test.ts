import { describe, expect, test } from '@jest/globals';
import {
  AlreadyExistsError,
  BusyError,
  InvalidCredentialsError,
  OperationsError,
  UnknownStatusCodeError,
} from 'ldapts';
import { AdjoinError } from '../../../agent/errors.ts';
import {
  bindRefusal,
  ControllerFailure,
  fromLdapts,
  LdapResult,
  noController,
  toAdjoinError,
} from '../../../agent/directory/failures.ts';

const windows = (data: string): string =>
  `80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data ${data}, v4563\u0000`;

describe('failures of a domain controller', () => {
  test.each([
    ['525', 'credential-refused', 'state'],
    ['52e', 'credential-refused', 'password'],
    ['52E', 'credential-refused', 'password'],
    ['530', 'credential-restricted', 'restriction'],
    ['531', 'credential-restricted', 'restriction'],
    ['532', 'credential-expired', 'state'],
    ['533', 'credential-disabled', 'state'],
    ['701', 'credential-disabled', 'state'],
    ['773', 'credential-expired', 'state'],
    ['775', 'credential-locked', 'lock'],
    ['57', 'credential-refused', 'password'],
  ])('a bind refused with data %s is %s, and speaks of the %s', (data, code, kind) => {
    const result = fromLdapts(new InvalidCredentialsError(windows(data)), 'bind', 'dc1:636');
    if (!(result instanceof LdapResult)) throw new Error('not a result');
    expect(bindRefusal(result, 'svc@corp', 'dc1:636')).toMatchObject({
      kind,
      error: { code, message: expect.stringContaining('svc@corp') },
    });
  });

  test.each('51f 547 54b 54f 6ba 6bb 6be 6bf 6fa 6fb 6FB 6fc 6fd 6fe 700 774'.split(' '))(
    'data %s speaks of the controller, which could not check the password',
    (data) => {
      expect(fromLdapts(new InvalidCredentialsError(windows(data)), 'bind', 'dc3:636')).toMatchObject({
        name: 'ControllerFailure',
        kind: 'declined',
        message: expect.stringContaining(`data ${data}`),
      });
    },
  );

  test('a bind refused without any text is a refused credential', () => {
    expect(bindRefusal(new LdapResult('bind', 49, ''), 'svc', 'dc1')).toMatchObject({
      kind: 'password',
      error: { code: 'credential-refused' },
    });
  });

  test.each([
    ['a referral', new UnknownStatusCodeError(10, 'ref'), 'declined'],
    ['busy', new BusyError('later'), 'declined'],
    [
      'not bound any more',
      new OperationsError(
        'In order to perform this operation a successful bind must be completed on the connection.',
      ),
      'lost',
    ],
    ['a broken socket', new Error('Connection closed before message response was received.'), 'lost'],
  ])('%s concerns this controller only', (_what, error, kind) => {
    expect(fromLdapts(error, 'search', 'dc1:636')).toMatchObject({ name: 'ControllerFailure', kind });
  });

  test('a result keeps its code and its text on one line', () => {
    const result = fromLdapts(
      new AlreadyExistsError('00002071: UpdErr:\r\n DSID-0,\u0000'),
      'add CN=A',
      'dc1',
    );
    expect(result).toMatchObject({ result: 68, diagnostic: '00002071: UpdErr: DSID-0,' });
  });

  test('a mistake in the program stays one', () => {
    const mistake = new TypeError('x is not a function');
    expect(fromLdapts(mistake, 'add', 'dc1')).toBe(mistake);
    expect(toAdjoinError(mistake)).toBe(mistake);
  });

  test('LDAP 50 is a denial; other results are refusals that name code and text', () => {
    expect(toAdjoinError(new LdapResult('add CN=A', 50, 'no'))).toMatchObject({ code: 'directory-denied' });
    expect(toAdjoinError(new LdapResult('add CN=A', 53, 'unwilling'))).toMatchObject({
      code: 'directory-refused',
      message: expect.stringMatching(/LDAP result 53 \(unwilling\)/),
    });
  });

  test('one untrusted certificate among dead controllers is what is told', () => {
    const dead = new ControllerFailure('unreachable', 'dc1:636', 'ECONNREFUSED');
    const untrusted = new ControllerFailure('untrusted', 'dc2:636', 'self-signed certificate');
    expect(noController([dead, dead])).toMatchObject({ code: 'directory-unavailable' });
    const error = noController([dead, dead, untrusted]);
    expect(error).toBeInstanceOf(AdjoinError);
    expect(error.code).toBe('directory-untrusted');
    expect(error.message.match(/dc1:636/g)).toHaveLength(1);
    expect(error.message).toContain('dc2:636');
  });

  test('a credential that the only ones to answer refuse is what is told, but for an untrusted certificate', () => {
    const dead = new ControllerFailure('unreachable', 'dc1:636', 'ECONNREFUSED');
    const doubtful = new ControllerFailure('declined', 'dc2:636', 'data 533', {
      refusal: 'credential-disabled',
    });
    const untrusted = new ControllerFailure('untrusted', 'dc3:636', 'self-signed certificate');
    const error = noController([dead, doubtful]);
    expect(error).toMatchObject({ code: 'credential-disabled', disposition: 'retry' });
    expect(error.message).toContain('dc1:636');
    expect(noController([dead, doubtful, untrusted]).code).toBe('directory-untrusted');
  });

  test('without any controller the message says so', () => {
    expect(noController([]).message).toContain('none was found');
  });
});
