// RUN: not camc opt %s -p 'convert-apv-to-rtm{columns=4 domains=3}' 2>&1 | filecheck %s --check-prefix FULL
// RUN: not camc opt %s -p 'convert-apv-to-rtm{domains=2}' 2>&1 | filecheck %s --check-prefix WIDE
// RUN: not camc opt %s -p 'convert-apv-to-rtm{columns=3}' 2>&1 | filecheck %s --check-prefix GEOMETRY
// RUN: not camc opt %s -p 'convert-apv-to-rtm{lanes=3}' 2>&1 | filecheck %s --check-prefix OPTION

// FULL: camc: error: the network needs up to {{[0-9]+}} live bits a row, an array 256x4x3 has 12; no place is left for {{[0-9]+}} bit
// FULL: hint: choose a target with at least {{[0-9]+}} columns of 3 domains
// WIDE: camc: error: a value of 3 bits doesn't fit into a column of 2 domains
// WIDE: hint: choose a target with at least 3 domains
// GEOMETRY: camc: error: convert-apv-to-rtm: impossible geometry: columns must be 4 to 2048, found 3
// OPTION: camc: error: {{.*}}lanes

func.func @network(%q: tensor<?x3x!ternary.int<0, 3>>) -> tensor<?x3x!ternary.int<0, 6>> {
  %x = apv.load %q : tensor<?x3x!ternary.int<0, 3>> -> !apv.columns<3, 0, 3>
  %a = apv.linear %x : (!apv.columns<3, 0, 3>) -> !apv.columns<3, 0, 6> graph <{
    inputs 3 in 0..3
    %3 = %0 + %1 : u3
    %4 = %1 + %2 : u3
    %5 = %2 + %0 : u3
    out %3
    out %4
    out %5
  }>
  %y = apv.store %a : !apv.columns<3, 0, 6> -> tensor<?x3x!ternary.int<0, 6>>
  func.return %y : tensor<?x3x!ternary.int<0, 6>>
}
