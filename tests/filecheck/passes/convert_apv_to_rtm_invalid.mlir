// RUN: not camc opt %s -p 'convert-apv-to-rtm{columns=4 domains=4}' 2>&1 | filecheck %s --check-prefix FULL
// RUN: not camc opt %s -p 'convert-apv-to-rtm{domains=2}' 2>&1 | filecheck %s --check-prefix WIDE
// RUN: not camc opt %s -p 'convert-apv-to-rtm{columns=3}' 2>&1 | filecheck %s --check-prefix GEOMETRY
// RUN: not camc opt %s -p 'convert-apv-to-rtm{lanes=3}' 2>&1 | filecheck %s --check-prefix OPTION

// FULL: camc: error: the network needs up to {{[0-9]+}} live bits per row, an array 256x4x4 has 16; no place is left for {{[0-9]+}} bit
// FULL: hint: choose a target with at least {{[0-9]+}} columns of 4 domains
// WIDE: camc: error: a value of 4 bits doesn't fit into a column of 2 domains
// WIDE: hint: choose a target with at least 4 domains
// GEOMETRY: camc: error: convert-apv-to-rtm: impossible geometry: columns must be 4 to 2048, found 3
// OPTION: camc: error: {{.*}}lanes

// All sums of two are needed again for others, and no room is left for these.
func.func @network(%q: tensor<?x4x!ternary.int<0, 3>>) -> tensor<?x6x!ternary.int<0, 12>> {
  %y = apv.stage : tensor<?x6x!ternary.int<0, 12>> {
    %x = apv.load %q : tensor<?x4x!ternary.int<0, 3>> -> !apv.columns<4, 0, 3>
    %a = apv.sum %x : (!apv.columns<4, 0, 3>) -> !apv.columns<6, 0, 12> graph <{
      inputs 4 in 0..3
      %4 = %0 + %1 : u3
      %5 = %1 + %2 : u3
      %6 = %2 + %3 : u3
      %7 = %3 + %0 : u3
      %8 = %4 + %5 : u4
      %9 = %6 + %7 : u4
      %10 = %4 + %6 : u4
      %11 = %5 + %7 : u4
      %12 = %4 + %7 : u4
      %13 = %5 + %6 : u4
      out %8
      out %9
      out %10
      out %11
      out %12
      out %13
    }>
    %y = apv.store %a : !apv.columns<6, 0, 12> -> tensor<?x6x!ternary.int<0, 12>>
    apv.yield %y : tensor<?x6x!ternary.int<0, 12>>
  }
  func.return %y : tensor<?x6x!ternary.int<0, 12>>
}
