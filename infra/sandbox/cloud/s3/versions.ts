/** ListObjectVersions: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html */
import { ServiceFailure } from '../failure.ts';
import { enforce } from '../limits/limit.ts';
import { maxKeys, mostListed, wordsOfVersions } from '../limits/s3.ts';
import { element, escapeXml } from '../wire/xml.ts';
import type { Buckets, ListedVersion } from './buckets.ts';

/** The members of the answer. @throws ServiceFailure */
export function listVersions(buckets: Buckets, bucket: string, query: URLSearchParams): string {
  const prefix = query.get('prefix') ?? '';
  const keyMarker = query.get('key-marker') ?? '';
  const versionMarker = query.get('version-id-marker') ?? '';
  const wanted = query.get('max-keys') ?? String(mostListed);
  enforce(maxKeys, wanted);
  if (versionMarker !== '' && keyMarker === '')
    throw new ServiceFailure('InvalidArgument', wordsOfVersions.markerAlone);
  if ((query.get('delimiter') ?? '') !== '')
    throw new ServiceFailure('NotImplemented', 'The sandbox lists versions without a delimiter.', 501);
  const most = Math.min(Number(wanted), mostListed);
  const named = query.get('encoding-type') === 'url' ? urlEncoded : escapeXml;

  const all = buckets.versions(bucket).filter(({ version }) => version.key.startsWith(prefix));
  const rest = after(all, keyMarker, versionMarker);
  const page = rest.slice(0, most);
  const last = page.at(-1)?.version;
  const isTruncated = last !== undefined && page.length < rest.length;
  return [
    element('Name', bucket),
    element('Prefix', named(prefix)),
    element('KeyMarker', named(keyMarker)),
    element('VersionIdMarker', escapeXml(versionMarker)),
    ...(isTruncated
      ? [element('NextKeyMarker', named(last.key)), element('NextVersionIdMarker', last.versionId)]
      : []),
    element('MaxKeys', String(most)),
    ...(named === urlEncoded ? [element('EncodingType', 'url')] : []),
    element('IsTruncated', String(isTruncated)),
    ...page.map((each) => entry(each, named)),
  ].join('');
}

/** A key's marker alone leaves out the whole key; with a version's, what is older than that version follows. */
function after(all: readonly ListedVersion[], key: string, versionId: string): readonly ListedVersion[] {
  if (key === '') return all;
  const at = all.findIndex(({ version }) => version.key === key && version.versionId === versionId);
  return at < 0 ? all.filter(({ version }) => version.key > key) : all.slice(at + 1);
}

function entry({ version, object, isLatest }: ListedVersion, named: (text: string) => string): string {
  const { key, versionId, lastModified } = version;
  return element(
    object ? 'Version' : 'DeleteMarker',
    [
      element('Key', named(key)),
      element('VersionId', versionId),
      element('IsLatest', String(isLatest)),
      element('LastModified', lastModified.toISOString()),
      ...(object
        ? [
            element('ETag', escapeXml(object.etag)),
            element('Size', String(object.body.length)),
            element('StorageClass', 'STANDARD'),
          ]
        : []),
    ].join(''),
  );
}

const urlEncoded = (text: string): string => encodeURIComponent(text).replaceAll('%2F', '/');
