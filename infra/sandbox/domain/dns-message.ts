const headerLength = 12;
const fixedRecordLength = 10;
const typeSrv = 33;
/** Priority, weight and port come before an SRV record's target. */
const srvTargetOffset = 6;

/**
 * The DNS message with every SRV target written out. Samba's internal server abbreviates them with pointers, which
 * RFC 2782 forbids and Node's resolver refuses (EBADRESP); Windows writes them out. Records after the answers are
 * dropped: nobody here needs them, and their own pointers would have to be moved.
 */
export function withPlainTargets(message: Buffer): Buffer {
  const questions = message.readUInt16BE(4);
  const answers = message.readUInt16BE(6);
  let offset = headerLength;
  for (let index = 0; index < questions; index += 1) offset = skipName(message, offset) + 4;

  const parts = [message.subarray(0, offset)];
  let moved = false;
  for (let index = 0; index < answers; index += 1) {
    const start = offset;
    offset = skipName(message, offset);
    const type = message.readUInt16BE(offset);
    const dataStart = offset + fixedRecordLength;
    const dataEnd = dataStart + message.readUInt16BE(offset + 8);
    if (type === typeSrv) {
      const target = plainName(message, dataStart + srvTargetOffset);
      const head = Buffer.concat([
        plainName(message, start),
        message.subarray(skipName(message, start), dataStart + srvTargetOffset),
      ]);
      head.writeUInt16BE(srvTargetOffset + target.length, head.length - srvTargetOffset - 2);
      parts.push(head, target);
      moved = true;
    } else {
      parts.push(message.subarray(start, dataEnd));
    }
    offset = dataEnd;
  }
  if (!moved) return message;
  const plain = Buffer.concat(parts);
  plain.writeUInt16BE(0, 8);
  plain.writeUInt16BE(0, 10);
  return plain;
}

function skipName(message: Buffer, start: number): number {
  let offset = start;
  for (;;) {
    const length = message.readUInt8(offset);
    if (length >= 0xc0) return offset + 2;
    if (length === 0) return offset + 1;
    offset += 1 + length;
  }
}

function plainName(message: Buffer, start: number): Buffer {
  const labels: Buffer[] = [];
  let offset = start;
  // a name has at most 127 labels; more means that its pointers run in a circle
  for (let steps = 0; steps < 255; steps += 1) {
    const length = message.readUInt8(offset);
    if (length >= 0xc0) {
      offset = message.readUInt16BE(offset) & 0x3fff;
    } else if (length === 0) {
      return Buffer.concat([...labels, Buffer.of(0)]);
    } else {
      labels.push(message.subarray(offset, offset + 1 + length));
      offset += 1 + length;
    }
  }
  throw new RangeError('the DNS name does not end');
}
