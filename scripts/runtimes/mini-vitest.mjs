// What the tests use of vitest, without vitest: it does not run on every runtime. Tests run one after another when
// `runAll` is called; names are those of the groups and the test, joined.
import assert from 'node:assert/strict';

const tests = [];
let path = [];
let hooks = [];

const titleOf = (title, row) => {
  const values = Array.isArray(row) ? row : [row];
  let at = 0;
  return title
    .replace(/\$(\w+)/g, (text, key) => (row !== null && typeof row === 'object' ? String(row[key]) : text))
    .replace(/%[sdijo]/g, () => String(values[at++]));
};

/** Groups whose body has not run yet; a body may be async. */
const groups = [];

export function describe(title, body) {
  groups.push({ path: [...path, title], hooks: [...hooks], body });
}

export function it(title, options, body = options) {
  const [names, before] = [path, hooks];
  tests.push({
    name: [...names, title].join(' > '),
    body: typeof body === 'function' ? body : options,
    before,
  });
}

const each =
  (define) =>
  (rows) =>
  (title, options, body = options) => {
    for (const row of rows) {
      const args = Array.isArray(row) ? row : [row];
      define(titleOf(title, row), () => body(...args));
    }
  };
describe.each = each(describe);
it.each = each(it);

export const beforeAll = (hook) => void hooks.push({ hook, done: false, when: 'before' });
export const afterAll = () => undefined;
export const beforeEach = (hook) => void hooks.push({ hook, when: 'each' });
export const afterEach = () => undefined;

class Containing {
  constructor(fields) {
    this.fields = fields;
  }

  matches(value) {
    return Object.entries(this.fields).every(([key, wanted]) => isEqual(value?.[key], wanted));
  }
}

function isEqual(actual, wanted) {
  if (wanted instanceof Containing) return wanted.matches(actual);
  try {
    assert.deepEqual(withoutUndefined(actual), withoutUndefined(wanted));
    return true;
  } catch {
    return false;
  }
}

/** toEqual takes a missing field for an undefined one. */
function withoutUndefined(value) {
  if (value === null || typeof value !== 'object' || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) return value.map(withoutUndefined);
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([key, item]) => [key, withoutUndefined(item)]),
  );
}

const show = (value) => {
  const text =
    typeof value === 'string'
      ? value
      : (() => {
          try {
            return JSON.stringify(value, (_key, item) => (typeof item === 'bigint' ? `${item}n` : item));
          } catch {
            return String(value);
          }
        })();
  return String(text).slice(0, 300);
};

function throws(actual, wanted) {
  try {
    actual();
  } catch (error) {
    if (wanted === undefined) return [true, error];
    if (wanted instanceof Containing) return [wanted.matches(error), error];
    if (typeof wanted === 'string') return [error.message.includes(wanted), error];
    if (wanted instanceof RegExp) return [wanted.test(error.message), error];
    return [error instanceof wanted, error];
  }
  return [false, 'no error'];
}

const MATCHERS = {
  toBe: (actual, wanted) => Object.is(actual, wanted),
  toEqual: isEqual,
  toBeUndefined: (actual) => actual === undefined,
  toBeDefined: (actual) => actual !== undefined,
  toBeNull: (actual) => actual === null,
  toBeGreaterThan: (actual, wanted) => actual > wanted,
  toBeGreaterThanOrEqual: (actual, wanted) => actual >= wanted,
  toBeLessThan: (actual, wanted) => actual < wanted,
  toBeLessThanOrEqual: (actual, wanted) => actual <= wanted,
  toHaveLength: (actual, wanted) => actual.length === wanted,
  toContain: (actual, wanted) => actual.includes(wanted),
  toMatch: (actual, wanted) => (typeof wanted === 'string' ? actual.includes(wanted) : wanted.test(actual)),
  toMatchObject: (actual, wanted) => new Containing(wanted).matches(actual),
  toThrow: (actual, wanted) => throws(actual, wanted)[0],
};

export function expect(actual, message = '') {
  const matchers = { not: {} };
  for (const [name, test] of Object.entries(MATCHERS)) {
    const judge = (isWanted) => (wanted) => {
      if (test(actual, wanted) === isWanted) return;
      const got = name === 'toThrow' ? throws(actual, wanted)[1] : actual;
      throw new Error(`${message} expected ${show(got)} ${isWanted ? '' : 'not '}${name} ${show(wanted)}`);
    };
    matchers[name] = judge(true);
    matchers.not[name] = judge(false);
  }
  return matchers;
}
expect.objectContaining = (fields) => new Containing(fields);

/** Runs what was declared. Returns the counts and the failures. */
export async function runAll() {
  for (let group = groups.shift(); group !== undefined; group = groups.shift()) {
    ({ path, hooks } = group);
    await group.body();
  }
  [path, hooks] = [[], []];
  const failures = [];
  let passed = 0;
  for (const { name, body, before } of tests.splice(0)) {
    try {
      for (const entry of before) {
        if (entry.when === 'before' && entry.done) continue;
        entry.done = true;
        await entry.hook();
      }
      await body();
      passed++;
    } catch (error) {
      failures.push({ name, message: String(error?.message ?? error).slice(0, 400) });
    }
  }
  return { passed, failures };
}
