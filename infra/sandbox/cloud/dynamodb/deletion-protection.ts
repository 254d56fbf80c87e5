import { ServiceFailure } from '../failure.ts';
import type { Answer } from '../service.ts';
import type { SignedRequest } from '../signature.ts';
import { membersOf } from '../wire/shape.ts';
import type { Tables } from './tables.ts';
import { withTransactions } from './transactions.ts';

/**
 * Answers requests, and keeps tables that are protected against deletion, which dynalite does not know. The words are DynamoDB's:
 * nubo-db/dynoxide, issue 46, https://github.com/nubo-db/dynoxide/issues/46.
 */
export function deletionProtected(tables: Tables) {
  const kept = new Set<string>();
  const transacted = withTransactions((request) => tables.answer(request));
  return async (operation: string, input: unknown, request: SignedRequest): Promise<Answer> => {
    const { TableName, DeletionProtectionEnabled: enabled, ...others } = membersOf(input);
    const table = String(TableName).replace(/^arn:.*:table\//, '');
    if (operation === 'DeleteTable' && kept.has(table)) {
      throw new ServiceFailure(
        'ValidationException',
        'Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.',
      );
    }
    // dynalite takes no update that changes nothing else.
    const alone = operation === 'UpdateTable' && enabled !== undefined && Object.keys(others).length === 0;
    const answer = alone
      ? asUpdate(await tables.answer(describing(request)))
      : await transacted(operation, input, request);
    if (answer.status === 200 && enabled === true) kept.add(table);
    if (answer.status === 200 && enabled === false) kept.delete(table);
    return answer;
  };
}

function asUpdate({ status, headers, body }: Answer): Answer {
  if (status !== 200) return { status, headers, body };
  const { 'x-amz-crc32': _ofTheDescription, ...others } = headers;
  const { Table } = membersOf(JSON.parse(String(body)));
  return { status, headers: others, body: JSON.stringify({ TableDescription: Table }) };
}

function describing(request: SignedRequest): SignedRequest {
  const headers = { ...request.headers, 'x-amz-target': 'DynamoDB_20120810.DescribeTable' };
  return { ...request, headers };
}
