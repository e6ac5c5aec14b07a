export interface Payment {
  readonly id: string;
  readonly amount: number;
  readonly account: string | null;
}

export interface Account {
  readonly owner: string;
}

/** Whether two types are the same, not only assignable to each other. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Returns its argument, and compiles only if that is of exactly this type: `is<string>()(value)`. */
export const is =
  <Expected>() =>
  <Given>(given: Given & (Equal<Given, Expected> extends true ? unknown : never)): Given =>
    given;
