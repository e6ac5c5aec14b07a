/** An object with some of its members replaced. */
export const overlaid = <T extends object>(inner: T, members: Partial<T>): T =>
  new Proxy(inner, {
    get: (target, name) => {
      const value = Reflect.get(name in members ? members : target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
