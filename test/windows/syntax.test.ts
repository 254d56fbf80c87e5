/** Windows Server has PowerShell 5.1 and the compiler of C# 5. Real PowerShell, which is later, shows that the scripts keep to that. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandDocuments } from '../../documents/index.ts';
import { describePowerShell, startShell, type Shell } from '../support/power-shell.ts';

interface Look {
  readonly findings: readonly string[];
  /** Each one's name, and the names of the parameters that it is given. */
  readonly commands: readonly (readonly string[])[];
  readonly functions: readonly string[];
}

const documents = join(import.meta.dirname, '..', '..', 'documents');
const scripts = readdirSync(documents, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ps1'))
  .toSorted();
const seam = 'shared/machine.ps1';

/** The commands of a bare Windows Server 2016 that the scripts call, with the parameters that they have in PowerShell 5.1. */
const known: Readonly<Record<string, readonly string[]>> = {
  'Add-Type': ['TypeDefinition'],
  'Convert-Path': ['LiteralPath'],
  'ForEach-Object': [],
  'Get-Content': ['LiteralPath', 'Tail'],
  'Join-Path': [],
  'New-Item': ['ItemType', 'Force', 'Path'],
  'New-Object': ['ArgumentList'],
  'Register-DnsClient': [],
  'Resolve-DnsName': ['Name', 'Type', 'Server', 'DnsOnly', 'NoHostsFile', 'QuickTimeout', 'ErrorAction'],
  'Select-Object': ['Unique'],
  'Set-StrictMode': ['Version'],
  'Start-Sleep': ['Seconds'],
  'Test-Path': ['LiteralPath'],
  'Where-Object': [],
};

describePowerShell('the syntax of the Windows scripts', (powerShell) => {
  let home = '';
  let shell: Shell;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'syntax-'));
    shell = startShell(powerShell, join(import.meta.dirname, 'syntax.ps1'), home);
  });
  afterAll(async () => {
    shell.end();
    await rm(home, { recursive: true, force: true });
  });

  async function look(text: string): Promise<Look> {
    return JSON.parse((await shell.ask({ text })).result);
  }

  test.each(scripts)('%s has nothing that is newer than PowerShell 5.1 and C# 5', async (path) => {
    expect(await look(await readFile(join(documents, path), 'utf8'))).toMatchObject({ findings: [] });
  });

  test.each(['probe', 'join-windows', 'leave'] as const)(
    'the script that the document %s carries is whole, and calls nothing that a bare server lacks',
    async (kind) => {
      const content = commandDocuments().find((each) => each.kind === kind)?.content ?? '';
      const { mainSteps }: { mainSteps: { inputs: { runCommand: string[] } }[] } = JSON.parse(content);
      const text = mainSteps.at(-1)?.inputs.runCommand.join('\n') ?? '';
      // Where a byte order mark is lost, 5.1 takes other characters for those of its code page.
      expect(text).toMatch(/^[\n -~]*$/);
      const { findings, commands, functions } = await look(text);
      expect(findings).toEqual([]);
      const strange = commands.filter(
        ([name = '', ...given]) =>
          !functions.includes(name) && !given.every((each) => known[name]?.includes(each) ?? false),
      );
      const unknown = commands.filter(([name = '']) => !functions.includes(name) && !(name in known));
      expect({ strange, unknown }).toEqual({ strange: [], unknown: [] });
    },
  );

  test('what only Windows can do is behind the seam, and the record of a machine has the whole seam', async () => {
    for (const path of scripts.filter((each) => each !== seam)) {
      const text = await readFile(join(documents, path), 'utf8');
      expect([path, /Microsoft\.Win32|AdjoinNative|DllImport|Cng|NTAccount|-Dns/.exec(text)?.[0]]).toEqual([
        path,
        undefined,
      ]);
    }
    const { functions } = await look(await readFile(join(documents, seam), 'utf8'));
    const record = await look(await readFile(join(import.meta.dirname, 'machine.ps1'), 'utf8'));
    // It reads the registry by a function of its own.
    const own = functions.filter((name) => name !== 'Get-MachineValue');
    expect(record.functions.filter((name) => own.includes(name)).toSorted()).toEqual(own.toSorted());
  });

  test.each([
    ['$a ? 1 : 2', /^ternary/],
    ['Get-Item a && Get-Item b', /^&& or \|\|/],
    ['$a ?? 1', /^\?\?,/],
    ['$a ??= 1', /^\?\?=/],
    ['${a}?.Length', /^\?\.,/],
    ['${a}?.Trim()', /^\?\.,/],
    ['${a}?[0]', /^\?\[\],/],
    ['Get-Item a &', /^background/],
    ['function f { clean { 1 } }', /^clean block/],
    ['[Array]::Empty[int]()', /^generic method/],
    ['$a = 1uy', /^number 1uy/],
    ['$a = 0b101', /^number 0b101/],
    ['"`u{1F600}"', /^escape/],
    ['if ($a', /^syntax/],
    ["Add-Type -TypeDefinition @'\npublic static class P1 { public static int A => 1; }\n'@", /^C# 5/],
    [
      'Add-Type -TypeDefinition @\'\npublic static class P2 { static string A(int b) { return $"{b}"; } }\n\'@',
      /^C# 5/,
    ],
  ])('%j is found', async (text, expected) => {
    const { findings } = await look(text);
    expect(findings.length).toBeGreaterThan(0);
    for (const finding of findings) expect(finding).toMatch(expected);
  });
});
