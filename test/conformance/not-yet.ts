/** A case needs an operator that millrace does not have. */
export class NotYet extends Error {
  override readonly name = 'NotYet';
  constructor(readonly operator: string) {
    super(`needs ${operator}`);
  }
}

/** A name for what the case leaves unnamed: stores, repartitions and sinks have names in millrace. */
export type Names = (operator: string) => string;
