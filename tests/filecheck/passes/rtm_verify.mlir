// RUN: camc opt %s -p rtm-verify | filecheck %s
// RUN: camc opt %s -p 'rtm-verify{stats=true}' 2>&1 >/dev/null | filecheck %s --check-prefix STATS

// The loop takes 1 step back and 2 forward, 8 of single columns, as both members share the sweeps of columns 0 and 1;
// each output goes 2 steps back and 2 forward.
// STATS:      program 0: values 4, live bits 10, bits of a row 512, bit loops 5, widest loop 6, overhead 2
// STATS-NEXT: program 0, load: bit loops 2, steps in time 2, column steps 2, lowest port 0 -> 0, highest port 0 -> 1
// STATS-NEXT: program 0, fc: bit loops 3, steps in time 11, column steps 16, lowest port 0 -> 0, highest port 1 -> 2

// CHECK-LABEL: func.func @network
// CHECK:       rtm.program
func.func @network(%q: tensor<?x2x!ternary.int<0, 3>>) -> tensor<?x2x!ternary.int<-3, 6>> {
  %r = rtm.program %q : (tensor<?x2x!ternary.int<0, 3>>) -> tensor<?x2x!ternary.int<-3, 6>> geometry <64x16x32> {
    rtm.segment "load" code <{
      %0 : c0[0:2] = in 0
      %1 : c1[0:2] = in 1
    }>
    rtm.segment "fc" code <{
      %0 : c0[0:2] live
      %1 : c1[0:2] live
      loop {
        %2 : c2[0:3] = %0 + %1 carry c15[0]
        %3 : c3[0:3]s = %0 - %1 carry c14[0]
      }
      out 0 = %2
      out 1 = %3
    }>
  }
  func.return %r : tensor<?x2x!ternary.int<-3, 6>>
}
