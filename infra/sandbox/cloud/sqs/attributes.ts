import { createHash } from 'node:crypto';
import type { MessageAttributeValue } from '@aws-sdk/client-sqs';

export function md5(text: string): string {
  return createHash('md5').update(text).digest('hex');
}

/** SQS's digest of message attributes: sorted by name, each length-prefixed; undefined when there are none. */
export function attributesMd5(
  attributes: Record<string, MessageAttributeValue> | undefined,
): string | undefined {
  const names = Object.keys(attributes ?? {}).toSorted();
  if (!attributes || names.length === 0) return undefined;
  const hash = createHash('md5');
  const add = (data: string | Uint8Array) => {
    const bytes = Buffer.from(data);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hash.update(length).update(bytes);
  };
  for (const name of names) {
    const value = attributes[name];
    add(name);
    add(value?.DataType ?? '');
    // 1 marks text, 2 marks bytes.
    hash.update(Buffer.from([value?.BinaryValue === undefined ? 1 : 2]));
    add(value?.BinaryValue ?? value?.StringValue ?? '');
  }
  return hash.digest('hex');
}

/** What counts against the message size limit. */
export function messageBytes(
  body: string,
  attributes: Record<string, MessageAttributeValue> | undefined,
): number {
  const sizes = Object.entries(attributes ?? {}).map(
    ([name, value]) =>
      Buffer.byteLength(name) +
      Buffer.byteLength(value.DataType ?? '') +
      Buffer.byteLength(value.StringValue ?? '') +
      (value.BinaryValue?.length ?? 0),
  );
  return sizes.reduce((sum, size) => sum + size, Buffer.byteLength(body));
}
