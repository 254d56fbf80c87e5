import type { NormalizedSchema } from '@smithy/core/schema';
import { base64Of, itemsOf, membersOf, timeOf } from './shape.ts';

/** The members of an answer as XML elements, without a root. Absent members are left out. */
export function encodeXml(schema: NormalizedSchema, value: unknown): string {
  return schema.isUnitSchema() ? '' : content(schema, value ?? {});
}

export function element(name: string, inner: string): string {
  return `<${name}>${inner}</${name}>`;
}

/** Escapes what XML reserves. Characters that XML 1.0 can't carry at all become U+FFFD. */
export function escapeXml(text: string): string {
  return text
    .replaceAll(/[&<>"'\r]/g, (character) => `&#${character.charCodeAt(0)};`)
    .replaceAll(/\p{Cc}/gu, (character) => (/[\t\n]/.test(character) ? character : '\u{FFFD}'));
}

function content(schema: NormalizedSchema, value: unknown): string {
  if (schema.isStructSchema()) {
    const source = membersOf(value);
    return [...schema.structIterator()]
      .map(([name, member]) => memberXml(name, member, source[name]))
      .join('');
  }
  if (schema.isBlobSchema()) return base64Of(value);
  if (schema.isTimestampSchema()) return timeOf(value).toISOString();
  return escapeXml(String(value));
}

function memberXml(memberName: string, member: NormalizedSchema, value: unknown): string {
  if (value === undefined || value === null) return '';
  const traits = member.getMergedTraits();
  const name = traits.xmlName ?? memberName;
  const flat = traits.xmlFlattened === 1;
  if (member.isListSchema()) return listXml(name, member, itemsOf(value), flat);
  if (member.isMapSchema()) return mapXml(name, member, membersOf(value), flat);
  return element(name, content(member, value));
}

function listXml(name: string, list: NormalizedSchema, items: unknown[], flat: boolean): string {
  const item = list.getValueSchema();
  const itemName = flat ? name : (item.getMergedTraits().xmlName ?? 'member');
  const inner = items.map((each) => element(itemName, content(item, each))).join('');
  return flat ? inner : element(name, inner);
}

function mapXml(
  name: string,
  map: NormalizedSchema,
  entries: Record<string, unknown>,
  flat: boolean,
): string {
  const key = map.getKeySchema().getMergedTraits().xmlName ?? 'key';
  const value = map.getValueSchema().getMergedTraits().xmlName ?? 'value';
  const inner = Object.entries(entries)
    .map(([entry, each]) =>
      element(
        flat ? name : 'entry',
        element(key, escapeXml(entry)) + element(value, content(map.getValueSchema(), each)),
      ),
    )
    .join('');
  return flat ? inner : element(name, inner);
}
