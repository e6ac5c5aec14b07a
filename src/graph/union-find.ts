/**
 * Disjoint sets of names, which `union` merges. Groups keep the order in which their members were first
 * added.
 */
export class UnionFind {
  readonly #parent = new Map<string, string>();

  add(name: string): void {
    if (!this.#parent.has(name)) this.#parent.set(name, name);
  }

  find(name: string): string {
    this.add(name);
    let root = name;
    for (let parent = this.#parent.get(root); parent !== undefined && parent !== root; parent = this.#parent.get(root))
      root = parent;
    this.#parent.set(name, root);
    return root;
  }

  union(a: string, b: string): void {
    const rootA = this.find(a);
    this.#parent.set(this.find(b), rootA);
  }

  groups(): string[][] {
    const groups = new Map<string, string[]>();
    for (const name of this.#parent.keys()) {
      const root = this.find(name);
      const group = groups.get(root);
      if (group) group.push(name);
      else groups.set(root, [name]);
    }
    return [...groups.values()];
  }
}
