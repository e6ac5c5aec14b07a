export interface Payment {
  readonly id: string;
  readonly amount: number;
  readonly account: string | null;
}

export interface Account {
  readonly owner: string;
}
