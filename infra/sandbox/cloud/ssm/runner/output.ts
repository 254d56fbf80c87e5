/** What GetCommandInvocation keeps of each stream, and ListCommandInvocations of both, in characters. */
export const outputLimits = { standardOutput: 24_000, standardError: 8_000, combined: 2_500 } as const;

const cutMark = '---Output truncated---';
const errorTitle = '\n----------ERROR-------\n';

export function cut(text: string, limit: number): string {
  return text.length <= limit ? text : text.slice(0, limit - cutMark.length) + cutMark;
}

/** Both streams in one text; when they are too long, the shorter one is spared. */
export function combined(standardOutput: string, standardError: string): string {
  if (standardError === '') return cut(standardOutput, outputLimits.combined);
  const room = outputLimits.combined - errorTitle.length;
  if (standardOutput.length + standardError.length <= room)
    return standardOutput + errorTitle + standardError;
  const half = Math.floor(room / 2);
  const outputRoom =
    standardError.length < half ? room - standardError.length : Math.min(half, standardOutput.length);
  return cut(standardOutput, outputRoom) + errorTitle + cut(standardError, room - outputRoom);
}
