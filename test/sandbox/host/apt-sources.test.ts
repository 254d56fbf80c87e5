import { describe, expect, test } from '@jest/globals';
import {
  distributionSources,
  formatDeb822,
  parseDeb822,
  parseList,
} from '../../../infra/sandbox/image/apt-sources.ts';
import { releaseCodename } from '../../../infra/sandbox/image/image.ts';

describe('Package sources', () => {
  test('are read from the one-line form, with options, and without source packages and comments', () => {
    const text = [
      '# deb http://commented.example/ bookworm main',
      'deb [arch=amd64 signed-by=/usr/share/keyrings/k.gpg] http://deb.example/debian bookworm main contrib # why',
      'deb-src http://deb.example/debian bookworm main',
    ].join('\n');
    expect(parseList(text)).toEqual([
      {
        uris: ['http://deb.example/debian'],
        suites: ['bookworm'],
        components: ['main', 'contrib'],
        signedBy: '/usr/share/keyrings/k.gpg',
        options: new Map([['architectures', 'amd64']]),
      },
    ]);
  });

  test('are read from deb822, with folded fields, and without disabled stanzas', () => {
    const text = [
      'Types: deb deb-src',
      'URIs: http://deb.example/debian',
      'Suites: bookworm bookworm-updates',
      'Components: main',
      'Signed-By:',
      ' -----BEGIN PGP PUBLIC KEY BLOCK-----',
      ' .',
      '',
      'Enabled: no',
      'Types: deb',
      'URIs: http://off.example/',
      'Suites: bookworm',
      'Components: main',
    ].join('\n');
    const sources = parseDeb822(text);
    expect(sources).toHaveLength(1);
    expect(sources[0]).toMatchObject({ suites: ['bookworm', 'bookworm-updates'], components: ['main'] });
    expect(sources[0]?.signedBy).toContain('\n -----BEGIN');
  });

  test('of third parties with other suites or components are left out', () => {
    const sources = parseList(
      [
        'deb http://deb.example/debian bookworm main',
        'deb http://deb.example/debian bookworm-backports main',
        'deb https://packages.example/apt cloud-sdk-bookworm main',
        'deb https://download.example/linux/debian bookworm stable',
        'deb https://node.example nodistro main',
      ].join('\n'),
    );
    expect(distributionSources(sources, 'bookworm')).toEqual([
      expect.objectContaining({ uris: ['http://deb.example/debian'], suites: ['bookworm'] }),
    ]);
  });

  test('survive being written and read again', () => {
    const sources = parseList(
      'deb [arch=amd64 signed-by=/k.gpg] http://deb.example/debian bookworm main universe',
    );
    expect(parseDeb822(formatDeb822(sources))).toEqual(sources);
  });

  test.each([
    ['ID=debian\nVERSION_CODENAME=bookworm\n', 'bookworm'],
    ['ID=linuxmint\nVERSION_CODENAME=wilma\nUBUNTU_CODENAME=noble\n', 'noble'],
  ])('belong to the release that os-release names', (osRelease, codename) => {
    expect(releaseCodename(osRelease)).toBe(codename);
  });

  test('need a release to belong to', () => {
    expect(() => releaseCodename('ID=arch\n')).toThrow('VERSION_CODENAME');
  });
});
