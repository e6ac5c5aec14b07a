/**
 * The texts that millrace keeps with committed offsets: JSON of format 1, with a field for each who has something to say (stream times, a generation, the mark of a reset). Somebody else may have committed offsets with a text of their own: it counts as none.
 */
const HEAD = '{"format":1,';

export function textOf<T extends object>(metadata = ''): Partial<T> {
  return metadata.startsWith(HEAD) ? JSON.parse(metadata) : {};
}

/** The text with fields added, or replaced; those that are undefined are taken out. */
export function addedTo(metadata: string | undefined, fields: object): string {
  const { format: _, ...rest } = textOf<{ format: 1 }>(metadata);
  return JSON.stringify({ format: 1, ...rest, ...fields });
}
