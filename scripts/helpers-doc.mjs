// docs/helpers.md, from the tables of helpers and kfuncs.

const code = (text) => `\`${text}\``;

/** Program types as libbpf names them; long lists by what is left out. */
function typesOf(row, names) {
  if (row.progTypes === 'all') return 'all';
  const all = names.length - 1;
  const given = row.progTypes.map((type) => names[type]);
  if (given.length < all - 4) return given.join(', ');
  const missing = names.filter((name, type) => type > 0 && !row.progTypes.includes(type));
  return `all but ${missing.join(', ')}`;
}

const STATES = { full: 'works', errno: 'errno' };

export function helpersDoc({ HELPERS, KFUNCS, PROG_TYPE_NAMES }) {
  const ids = new Set(HELPERS.map((row) => row.id));
  const working = new Set(HELPERS.filter((row) => row.state === 'full').map((row) => row.id));
  return [
    '# Helpers and kfuncs',
    '',
    'Derived from the tables in `src/helpers` by `npm run gen`; do not edit.',
    '',
    `Of the ${ids.size} helpers ${working.size} work. The others have no meaning without a kernel around them: their`,
    'prototypes are checked as the kernel checks them, and a call gives -EOPNOTSUPP, or NULL where a pointer is returned,',
    'after zeroing the memory that it was to fill. A helper has a row for each of its prototypes.',
    '',
    '| id | helper | state | program types |',
    '| --- | --- | --- | --- |',
    ...HELPERS.map(
      (row) =>
        `| ${row.id} | ${code(row.name)}${row.gplOnly ? ' (GPL)' : ''} | ${STATES[row.state]} | ${typesOf(row, PROG_TYPE_NAMES)} |`,
    ),
    '',
    '## Kfuncs',
    '',
    '| declaration | state |',
    '| --- | --- |',
    ...KFUNCS.map((row) => `| ${code(row.proto)} | ${STATES[row.state]} |`),
    '',
  ].join('\n');
}
