import { isList, isMap, type Json, type JsonMap } from '../template.ts';

/** A value and where it stands. */
export interface Found {
  readonly path: string;
  readonly value: Json;
}

/** Every value that a path leads to; its steps are members of maps, or an asterisk for each item of a list. */
export function valuesAt(properties: JsonMap, path: string): Found[] {
  let found: Found[] = [{ path: '', value: properties }];
  for (const step of path.split('/')) found = found.flatMap((each) => stepInto(each, step));
  return found;
}

function stepInto({ path, value }: Found, step: string): Found[] {
  const at = (name: string | number) => (path === '' ? String(name) : `${path}/${name}`);
  if (step === '*')
    return isList(value) ? value.map((item, index) => ({ path: at(index), value: item })) : [];
  const member = isMap(value) ? value[step] : undefined;
  return member === undefined ? [] : [{ path: at(step), value: member }];
}
