import { describe, expect, test } from '@jest/globals';
import {
  domainName,
  formatDistinguishedName,
  isBelow,
  isSameName,
  parseDistinguishedName,
} from '../../../agent/directory/distinguished-name.ts';

const normal = (text: string): string => formatDistinguishedName(parseDistinguishedName(text));

describe('a distinguished name', () => {
  test.each([
    ['as it is', 'OU=Fleet,DC=corp,DC=test', 'OU=Fleet,DC=corp,DC=test'],
    ['spaces after commas', 'OU=Fleet, DC=corp,  DC=test', 'OU=Fleet,DC=corp,DC=test'],
    ['spaces everywhere', ' OU = Fleet , DC = corp ,DC= test ', 'OU=Fleet,DC=corp,DC=test'],
    ['types in small letters', 'ou=Fleet,dc=corp', 'OU=Fleet,DC=corp'],
    ['a space within', 'OU=My  Fleet,DC=corp', 'OU=My  Fleet,DC=corp'],
    ['an escaped comma', String.raw`OU=Fleet\, east,DC=corp`, String.raw`OU=Fleet\, east,DC=corp`],
    [
      'a comma in hexadecimal digits',
      String.raw`OU=Fleet\2C east,DC=corp`,
      String.raw`OU=Fleet\, east,DC=corp`,
    ],
    ['a comma in quotation marks', 'OU="Fleet, east" ,DC=corp', String.raw`OU=Fleet\, east,DC=corp`],
    ['quotation marks in themselves', String.raw`OU="a\"b",DC=corp`, String.raw`OU=a\"b,DC=corp`],
    ['a slash and a hash', 'OU=a/b#c,DC=corp', 'OU=a/b#c,DC=corp'],
    ['a hash in front', String.raw`OU=\#1,DC=corp`, String.raw`OU=\#1,DC=corp`],
    ['escaped spaces at the ends', String.raw`OU=\ a\ ,DC=corp`, String.raw`OU=\ a\ ,DC=corp`],
    ['a space alone', String.raw`OU=\ ,DC=corp`, String.raw`OU=\ ,DC=corp`],
    ['a backslash before a space', String.raw`OU=a\\\20,DC=corp`, String.raw`OU=a\\\ ,DC=corp`],
    ['letters of several bytes', String.raw`OU=K\C3\B6ln,DC=corp`, 'OU=Köln,DC=corp'],
    ['an equals sign in a value', 'OU=a=b,DC=corp', String.raw`OU=a\=b,DC=corp`],
    ['a renamed entry of the directory', String.raw`CN=A\0ACNF:1,DC=corp`, String.raw`CN=A\0aCNF:1,DC=corp`],
    ['a type by its number', '2.5.4.11=Fleet,DC=corp', '2.5.4.11=Fleet,DC=corp'],
  ])('is read and written in one form: %s', (_what, text, form) => {
    expect(normal(text)).toBe(form);
    expect(normal(form)).toBe(form);
  });

  test.each([
    ['', 'ends too early'],
    ['Fleet', 'has a part without an equals sign'],
    ['OU=Fleet,', 'ends too early'],
    ['OU=Fleet,,DC=corp', 'has U+002C where a type begins'],
    ['OU=Fleet,\u00A0DC=corp', 'has U+00A0 where a type begins'],
    ['OU=,DC=corp', 'has an empty OU'],
    ['OU=a+CN=b,DC=corp', 'has U+002B without a backslash'],
    ['OU=a;DC=corp', 'has U+003B without a backslash'],
    [String.raw`OU=a\z,DC=corp`, 'has a backslash that escapes nothing'],
    ['OU=a\\', 'has a backslash that escapes nothing'],
    [String.raw`OU=\C3,DC=corp`, 'has escapes that are no UTF-8'],
    ['OU="a,DC=corp', 'has a quotation mark without its end'],
    ['OU="a"b,DC=corp', 'has U+0062 where a comma belongs'],
    ['OU=#0401,DC=corp', 'has a value in hexadecimal digits'],
  ])('%j is none: it %s', (text, reason) => {
    expect(() => parseDistinguishedName(text)).toThrow(new SyntaxError(reason));
  });

  test('is the same in other letters, spaces and escapes, and another one is not', () => {
    const name = parseDistinguishedName('OU=Fleet\\, east,DC=corp,DC=test');
    expect(isSameName(name, parseDistinguishedName('ou="FLEET, East", dc=CORP, dc=test'))).toBe(true);
    expect(isSameName(name, parseDistinguishedName('OU=Fleet,OU=east,DC=corp,DC=test'))).toBe(false);
    expect(isSameName(name, parseDistinguishedName('OU=Fleet\\, east,DC=corp'))).toBe(false);
  });

  test('is below its parents and not below itself or others', () => {
    const name = parseDistinguishedName('OU=Fleet,OU=Servers,DC=corp,DC=test');
    expect(isBelow(name, domainName('Corp.test'))).toBe(true);
    expect(isBelow(name, parseDistinguishedName('OU=servers,DC=corp,DC=test'))).toBe(true);
    expect(isBelow(name, name)).toBe(false);
    expect(isBelow(name, domainName('test'))).toBe(true);
    expect(isBelow(name, domainName('other.test'))).toBe(false);
    expect(isBelow(domainName('corp.test'), name)).toBe(false);
  });
});
