import { describe, expect, test } from '@jest/globals';
import {
  AddRequest,
  AndFilter,
  Attribute,
  BindRequest,
  Control,
  DeleteRequest,
  EqualityFilter,
  NotFilter,
  PresenceFilter,
  SearchRequest,
  SubstringFilter,
  UnbindRequest,
} from 'ldapts';
import { messageReader } from '../../e2e/crash/ldap-message.ts';

const search = (messageId: number, filter = 'x'.repeat(300)): Buffer =>
  new SearchRequest({
    messageId,
    baseDN: 'OU=Fleet,DC=corp',
    scope: 'sub',
    filter: new AndFilter({
      filters: [
        new EqualityFilter({ attribute: 'objectClass', value: 'computer' }),
        new NotFilter({ filter: new SubstringFilter({ attribute: 'stamp', initial: filter }) }),
        new PresenceFilter({ attribute: 'dc' }),
      ],
    }),
    attributes: ['dc'],
  }).write();

/** SearchResultDone of message 2: success. */
const done = Buffer.from('300c02010265070a010004000400', 'hex');
/** SearchResultEntry of message 2: an empty name, no attributes. */
const entry = Buffer.from('3009020102640404003000', 'hex');

describe('a reader of LDAP messages', () => {
  test('tells what a search is about', () => {
    const bytes = search(7);
    expect(messageReader()(bytes)).toEqual([
      {
        id: 7,
        operation: 'search',
        final: false,
        target: 'OU=Fleet,DC=corp',
        filter: ['stamp', 'dc'],
        bytes,
      },
    ]);
  });

  test('tells whom a delete and an add are about, controls or not', () => {
    const treeDelete = new Control('1.2.840.113556.1.4.805', { critical: true });
    const requests = [
      new DeleteRequest({ messageId: 1, dn: '<GUID=1>', controls: [treeDelete] }),
      new AddRequest({
        messageId: 300,
        dn: 'CN=A,OU=Fleet',
        attributes: [new Attribute({ type: 'objectClass', values: ['computer'] })],
      }),
      new BindRequest({ messageId: 2, dn: 'someone', password: 'secret' }),
      new UnbindRequest({ messageId: 3 }),
    ];
    const read = messageReader()(Buffer.concat(requests.map((request) => request.write())));
    expect(read.map(({ id, operation, target }) => [id, operation, target])).toEqual([
      [1, 'delete', '<GUID=1>'],
      [300, 'add', 'CN=A,OU=Fleet'],
      [2, 'bind', ''],
      [3, 'unbind', ''],
    ]);
  });

  test('knows the last part of an answer', () => {
    const read = messageReader()(Buffer.concat([entry, done]));
    expect(read.map(({ id, operation, final }) => [id, operation, final])).toEqual([
      [2, 'part of an answer', false],
      [2, 'search', true],
    ]);
  });

  test('puts together what comes in pieces, wherever it was cut', () => {
    const whole = Buffer.concat([search(1), done, search(2, '')]);
    for (let cut = 0; cut <= whole.length; cut += 1) {
      const read = messageReader();
      const messages = [...read(whole.subarray(0, cut)), ...read(whole.subarray(cut))];
      expect(Buffer.concat(messages.map((message) => message.bytes)).equals(whole)).toBe(true);
      expect(messages.map((message) => message.id)).toEqual([1, 2, 2]);
    }
  });

  test('refuses what is no message', () => {
    expect(() => messageReader()(Buffer.from('30020201', 'hex'))).toThrow('not BER');
    expect(() => messageReader()(Buffer.from('3003020101', 'hex'))).toThrow('no operation');
  });
});
