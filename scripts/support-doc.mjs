// docs/support.md and the support matrix of the README, from the tables of map types, program types, helpers and kfuncs.

const HEAD = `# What is supported
Derived from the tables in the source by \`npm run gen\`; do not edit.
`;

const code = (text) => `\`${text}\``;
const table = (columns, rows) => [
  `| ${columns.join(' | ')} |`,
  `|${'---|'.repeat(columns.length)}`,
  ...rows.map((row) => `| ${row.join(' | ')} |`),
];

/** An id may have several records, one for each prototype: it counts once, as full where any of them is. */
function helpersById(helpers) {
  const byId = new Map();
  for (const helper of helpers) byId.set(helper.id, [...(byId.get(helper.id) ?? []), helper]);
  return [...byId.values()];
}

const isFull = (records) => records.some((record) => record.state === 'full');

function mapRows({ MAP_TYPES }) {
  return MAP_TYPES.slice(1).map((row) => [
    code(row.name),
    row.state === 'full' ? 'created and used' : 'read from objects',
    row.holdsSockets === true ? 'sockets' : '',
  ]);
}

function returnsText(row) {
  return row.returns === undefined ? 'any' : row.returns.join(' to ');
}

function progRows({ PROG_TYPES, progTypeName, secNames, lookupSecName, hasTestRun }) {
  const names = secNames();
  return PROG_TYPES.map((row) => [
    code(progTypeName(row.type)),
    names
      .filter((name) => lookupSecName(name.replace('[/target]', '/target'))?.progType === row.type)
      .map(code)
      .join(' '),
    row.packet,
    returnsText(row),
    hasTestRun(row.type) ? 'yes' : '',
  ]);
}

/** Who may call a helper: the shorter of the types that may and those that may not. */
function callers(records, { PROG_TYPES, progTypeName }) {
  if (records.some((record) => record.progTypes === 'all')) return 'all';
  const may = new Set(records.flatMap((record) => record.progTypes));
  const names = (list) => list.map((row) => code(progTypeName(row.type))).join(' ');
  const others = PROG_TYPES.filter((row) => !may.has(row.type));
  if (others.length === 0) return 'all';
  return others.length < may.size / 2
    ? `all but ${names(others)}`
    : names(PROG_TYPES.filter((row) => may.has(row.type)));
}

function helperRows(tables) {
  return helpersById(tables.HELPERS).map((records) => [
    records[0].id,
    code(records[0].name),
    isFull(records) ? 'full' : 'errno',
    callers(records, tables),
  ]);
}

function kfuncLines({ KFUNCS }) {
  const names = (state) =>
    KFUNCS.filter((kfunc) => kfunc.state === state)
      .map((kfunc) => code(kfunc.name))
      .join(' ');
  const parts = [];
  if (names('full') !== '') parts.push('', `Full: ${names('full')}`);
  if (names('errno') !== '') parts.push('', `Known to the verifier, an errno when called: ${names('errno')}`);
  return parts;
}

export function supportDoc(tables) {
  return [
    HEAD,
    '## Map types',
    ...table(['type', 'state', 'holds'], mapRows(tables)),
    '',
    '## Program types',
    ...table(['type', 'SEC() names', 'packet access', 'returns', 'test run'], progRows(tables)),
    '',
    '## Helpers',
    'One that is `errno` has no meaning in userspace: the verifier knows its prototype, a call returns an errno or NULL.',
    '',
    ...table(['id', 'helper', 'state', 'program types'], helperRows(tables)),
    '',
    '## Kernel functions',
    `${tables.KFUNCS.length} prototypes are known.`,
    ...kfuncLines(tables),
    '',
  ].join('\n');
}

const BEGIN = '<!-- support matrix: npm run gen -->';
const END = '<!-- end of the support matrix -->';

function readmeTable(tables) {
  const maps = tables.MAP_TYPES.slice(1);
  const full = maps.filter((row) => row.state === 'full').map((row) => row.name);
  const helpers = helpersById(tables.HELPERS);
  const run = tables.PROG_TYPES.filter((row) => tables.hasTestRun(row.type)).length;
  return table(
    ['', 'supported'],
    [
      ['instructions', `${tables.ROWS.length} of RFC 9669 and CPU v1 to v4 ([docs/isa.md](docs/isa.md))`],
      ['map types', `${full.length} of ${maps.length}: ${full.join(', ')}`],
      [
        'program types',
        `${tables.PROG_TYPES.length} read and checked; sk_skb, sk_msg and sock_ops run on sockets, ${run} by test run`,
      ],
      [
        'helpers',
        `${helpers.filter(isFull).length} of ${helpers.length} act; the others are checked and return an errno`,
      ],
      ['systems', 'Node.js 20.19 and newer, Deno, Bun; run on Linux, written for macOS and Windows too'],
    ],
  );
}

/** The README with the table between the marks replaced; as it is where it has no marks. */
export function readmeWithSupport(readme, tables) {
  const [begin, end] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (begin < 0 || end < begin) return readme;
  return `${readme.slice(0, begin + BEGIN.length)}\n${readmeTable(tables).join('\n')}\n${readme.slice(end)}`;
}
