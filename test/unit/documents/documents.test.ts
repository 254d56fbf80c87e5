import { expect, test, describe } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { NODES_PER_JOIN } from '../../../agent/nodes/nodes.ts';
import { commandDocuments, type Kind } from '../../../documents/index.ts';
import { parameters, type Parameter } from '../../../documents/parameters.ts';

interface Document {
  readonly schemaVersion: string;
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly mainSteps: readonly {
    readonly action: string;
    readonly name: string;
    readonly precondition: unknown;
    readonly inputs: { readonly timeoutSeconds: string; readonly runCommand: readonly string[] };
  }[];
}

const actions = { linux: 'aws:runShellScript', windows: 'aws:runPowerShellScript' } as const;
const documents = commandDocuments().map((document) => {
  const parsed: Document = JSON.parse(document.content);
  const scriptOf = (wanted: string) =>
    parsed.mainSteps.find(({ action }) => action === wanted)?.inputs.runCommand;
  return { ...document, parsed, linux: scriptOf(actions.linux), windows: scriptOf(actions.windows) };
});
/** The platforms of each document. A join has one for each; an image is prepared on Linux alone. */
const platformsOf: Readonly<Record<Kind, readonly string[]>> = {
  probe: ['Linux', 'Windows'],
  'join-linux': ['Linux'],
  'join-windows': ['Windows'],
  leave: ['Linux', 'Windows'],
  'prepare-image': ['Linux'],
};
const allParameters = Object.entries(parameters).flatMap(([purpose, of]) =>
  Object.entries(of).map(([name, parameter]) => ({ title: `${purpose}.${name}`, parameter })),
);

describe('the command documents', () => {
  test('are the same bytes every time, under the hash that SendCommand is given', () => {
    expect(commandDocuments()).toEqual(commandDocuments());
    for (const { content, sha256 } of documents) {
      expect(sha256).toBe(createHash('sha256').update(content).digest('hex'));
    }
  });

  test.each(documents)('$name is a schema 2.2 document that Systems Manager has room for', (document) => {
    expect(document.parsed.schemaVersion).toBe('2.2');
    // Systems Manager takes documents of up to 64 KB.
    expect(Buffer.byteLength(document.content)).toBeLessThan(64 * 1024);
    const inputs = { timeoutSeconds: '{{ executionTimeout }}' };
    expect(document.parsed.mainSteps).toMatchObject(
      platformsOf[document.kind].map((platform) => ({
        action: platform === 'Linux' ? actions.linux : actions.windows,
        precondition: { StringEquals: ['platformType', platform] },
        inputs,
      })),
    );
    expect(document.parsed.mainSteps).toHaveLength(platformsOf[document.kind].length);
    // The agent takes names of letters, digits and underscores; each one is a directory on the node.
    for (const { name } of document.parsed.mainSteps) expect(name).toMatch(/^[A-Za-z0-9_]+$/);
    const names = document.parsed.mainSteps.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  const joins = documents.filter(({ purpose }) => purpose === 'join');
  test.each(joins)('$name has room for the entries of as many nodes as share one', ({ content }) => {
    const entry = `i-0123456789abcdef0:A0123456789ABCD:${Buffer.alloc(384, 7).toString('base64')}`;
    const { maxItems } = { maxItems: 0, ...parameters.join['entries'] };
    const others = Object.entries(parameters.join).flatMap(([name, parameter]) =>
      name !== 'entries' && parameter.type === 'String' ? ['a'.repeat(parameter.maxChars)] : [],
    );
    const values = [...others, ...Array.from({ length: maxItems }, () => entry)];
    expect(maxItems).toBe(NODES_PER_JOIN);
    // What SendCommand counts: the document, and what its parameters are given.
    expect(Buffer.byteLength(content + values.join(''))).toBeLessThan(64 * 1024);
  });

  test.each(documents)(
    '$name names parameters nowhere but between single quotes of an assignment',
    (document) => {
      const shapes = {
        linux: /^[A-Z_]+='\{\{ [a-zA-Z]+ \}\}'$/,
        windows: /^\$[A-Za-z]+ = '\{\{ [a-zA-Z]+ \}\}'$/,
      };
      for (const platform of ['linux', 'windows'] as const) {
        const script = document[platform]?.filter((line) => !line.startsWith('#!'));
        if (script === undefined) continue;
        const lines = script.filter((line) => line.includes('{{') || line.includes('}}'));
        for (const line of lines) expect(line).toMatch(shapes[platform]);
        const named = lines.map((line) => line.replace(/^.*\{\{ (.*) \}\}.*$/, '$1'));
        expect(named.toSorted()).toEqual(Object.keys(document.parsed.parameters).toSorted());
        // Ahead of the script: nothing has run when they are assigned.
        expect(script.slice(0, lines.length)).toEqual(lines);
      }
    },
  );

  test.each(documents)(
    '$name carries its scripts whole, with nothing left to include',
    ({ linux, windows }) => {
      for (const script of [linux ?? [], windows ?? []])
        expect(script.filter((line) => /^\s*\. .*shared\//.test(line))).toEqual([]);
      expect(windows === undefined || windows.includes("$ErrorActionPreference = 'Stop'")).toBe(true);
      expect([undefined, '#!/bin/sh']).toContain(linux?.[0]);
      expect(linux === undefined || linux.includes('set -eu')).toBe(true);
      const check = spawnSync('sh', ['-n'], { input: (linux ?? []).join('\n'), encoding: 'utf8' });
      expect(check.stderr).toBe('');
    },
  );

  test.each(documents)('$name has every function of the Windows files that it calls', ({ windows = [] }) => {
    // PowerShell does not mind the case of names; what leaves out functions that nothing calls does.
    const text = windows.join('\n').toLowerCase();
    const files = globSync('documents/shared/*.ps1').map((file) => readFileSync(file, 'utf8').toLowerCase());
    const names = files.flatMap((file) =>
      [...file.matchAll(/\bfunction ([\w-]+)/g)].map(([, name = '']) => name),
    );
    expect(names.length).toBeGreaterThan(30);
    const called = names.filter((name) => new RegExp(`(?<![\\w-])${name}(?![\\w-])`).test(text));
    expect(called.filter((name) => !text.includes(`function ${name}`))).toEqual([]);
  });

  test.each(documents)(
    '$name has no comment in it, which would take room from parameters',
    ({ linux = [], windows = [] }) => {
      for (const script of [linux.slice(1), windows])
        expect(script.filter((line) => /^\s*(#|\/\/)/.test(line))).toEqual([]);
    },
  );
});

describe('the parameters', () => {
  test.each(allParameters)('$title allows no character that ends a quoted string', ({ parameter }) => {
    const pattern = new RegExp(parameter.allowedPattern);
    const hostile = fc.constantFrom("'", '"', '`', '\n', '\r', '\\', '$', '{', ' ', '\0', ';', '&');
    // A valid value with something hostile put in anywhere is the likeliest to slip through.
    const valid = fc.stringMatching(pattern);
    fc.assert(
      fc.property(valid, hostile, fc.nat(), (text, character, at) => {
        const place = at % (text.length + 1);
        expect(pattern.test(text)).toBe(true);
        expect(pattern.test(text.slice(0, place) + character + text.slice(place))).toBe(false);
      }),
    );
  });

  test.each(allParameters)('$title is bounded and anchored at both ends', ({ parameter }) => {
    expect(parameter.allowedPattern).toMatch(/^\^.*\$$/);
    // An alternation outside parentheses would let one branch escape its anchor.
    expect(parameter.allowedPattern.replace(/\([^()]*(\([^()]*\)[^()]*)*\)/g, '')).not.toContain('|');
    expect(parameter.type === 'String' ? parameter.maxChars : parameter.maxItems).toBeGreaterThan(0);
  });

  test('execution time-outs are none that the SSM agent replaces by an hour', () => {
    for (const { executionTimeout } of Object.values(parameters)) {
      const pattern = new RegExp(executionTimeout?.allowedPattern ?? '');
      expect(['5', '9', '10', '120', '9999'].filter((text) => !pattern.test(text))).toEqual([]);
      expect(['', '0', '4', '05', '10000', '-5', '5s', '1e3'].filter((text) => pattern.test(text))).toEqual(
        [],
      );
    }
  });

  test.each(['domain', 'domainController'])(
    '%s takes what Windows takes for a name, and no option of a tool',
    (name) => {
      const pattern = new RegExp(parameters.join[name]?.allowedPattern ?? '');
      for (const good of [
        'dc_01.corp.example.test',
        'DC-1.corp_x.test',
        '_dc.corp.test',
        '1.2',
        `${'a'.repeat(63)}.test`,
      ])
        expect([good, pattern.test(good)]).toEqual([good, true]);
      for (const bad of [
        'corp',
        '-dc.corp.test',
        'dc-.corp.test',
        'dc..test',
        '.test',
        'dc.corp.',
        `${'a'.repeat(64)}.test`,
      ])
        expect([bad, pattern.test(bad)]).toEqual([bad, false]);
    },
  );

  test('a join entry names an instance, a computer and a sealed password', () => {
    const pattern = new RegExp(parameters.join['entries']?.allowedPattern ?? '');
    const sealed = Buffer.alloc(256, 7).toString('base64');
    expect(pattern.test(`i-0123456789abcdef0:A0123456789ABCD:${sealed}`)).toBe(true);
    expect(pattern.test(`i-0123456789ABCDEF0:A0123456789ABCD:${sealed}`)).toBe(false);
    expect(pattern.test(`i-0123456789abcdef0:A0123456789ABCDE:${sealed}`)).toBe(false);
    expect(pattern.test(`i-0123456789abcdef0:A0123456789ABCD:secret`)).toBe(false);
  });
});
