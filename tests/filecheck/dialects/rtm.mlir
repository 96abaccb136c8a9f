// RUN: camc opt %s | camc opt | filecheck %s
// RUN: camc opt %s --print-op-generic | camc opt | filecheck %s

// CHECK-LABEL: func.func @all
// CHECK-SAME:    (%[[Q:.*]]: tensor<?x2x!ternary.int<-2, 1>>)
func.func @all(%q: tensor<?x2x!ternary.int<-2, 1>>) -> tensor<?x3x!ternary.int<-9, 9>> {
  // CHECK-NEXT: rtm.program %[[Q]] : (tensor<?x2x!ternary.int<-2, 1>>) -> tensor<?x3x!ternary.int<-9, 9>> geometry <64x16x32> part <outputs 0 to 3 of 5> {
  %r = rtm.program %q : (tensor<?x2x!ternary.int<-2, 1>>) -> tensor<?x3x!ternary.int<-9, 9>> geometry <64x16x32> part <outputs 0 to 3 of 5> {
    // CHECK-NEXT: rtm.segment "load" code <{
    // CHECK-NEXT:   %0 : c0[0:2]s = in 0
    // CHECK-NEXT:   %1 : c1[0:2]s = in 1
    // CHECK-NEXT: }>
    rtm.segment "load" code <{
      %0 : c0[0:2]s = in 0
      %1 : c1[0:2]s = in 1
    }>
    // CHECK-NEXT: rtm.segment "fc/1" code <{
    // CHECK-NEXT:   %0 : c0[0:2]s live
    // CHECK-NEXT:   %1 : c1[0:2]s live
    // CHECK-NEXT:   %2 : c2[0:5]s = %0 + %1<<1 carry c15[0]
    // CHECK-NEXT:   %3 : c3[0:5]s = zero - %1 carry c15[0]
    // CHECK-NEXT:   loop {
    // CHECK-NEXT:     %4 : c2[0:5]s = %2 += %0 carry c15[0]
    // CHECK-NEXT:     %5 : c3[0:5]s = %3 -= %1<<1 carry c14[0] @1
    // CHECK-NEXT:   }
    // CHECK-NEXT:   %6 : c4[0:5]s = %4
    // CHECK-NEXT:   %7 : c4[0:6]s = sext %6 carry c15[0]
    // CHECK-NEXT:   %8 : c5[0] = %7 >= -3
    // CHECK-NEXT:   %9 : c6[0:5]s = -4
    // CHECK-NEXT:   %10 : c6[0:5]s = %9[0:3] set 5 if %8
    // CHECK-NEXT:   %11 : c7[8] = %0 >= %10
    // CHECK-NEXT:   %12 : c6[0:5]s = %10 set %0 if %11
    // CHECK-NEXT:   %13 : c7[8:11] = zext %11
    // CHECK-NEXT:   %14 : c7[8:11] = %13 set 4 if %8
    // CHECK-NEXT:   out 0 = %12
    // CHECK-NEXT:   out 1 = %5
    // CHECK-NEXT:   out 2 = %14
    // CHECK-NEXT: }>
    rtm.segment "fc/1" code <{
      %1 : c1[0:2]s live
      %0 : c0[0:2]s live
      %2 : c2[0:5]s = %0 + %1 << 1 carry c15[0]   ; a comment
      %3 : c3[0:5]s = zero - %1 carry c15[0:1]
      loop { %4 : c2[0:5]s = %2 += %0 carry c15[0] %5 : c3[0:5]s = %3 -= %1<<1 carry c14[0] @1 }
      %6 : c4[0:5]s = %4
      %7 : c4[0:6]s = sext %6 carry c15[0]
      %8 : c5[0] = %7 >= -3
      %9 : c6[0:5]s = -4
      %10 : c6[0:5]s = %9[0:3] set 5 if %8
      %11 : c7[8] = %0 >= %10
      %12 : c6[0:5]s = %10 set %0 if %11
      %13 : c7[8:11] = zext %11
      %14 : c7[8:11] = %13 set 4 if %8
      out 0 = %12
      out 1 = %5
      out 2 = %14
    }>
  }
  func.return %r : tensor<?x3x!ternary.int<-9, 9>>
}

// CHECK-LABEL: func.func @across
func.func @across(%q: tensor<?x1x!ternary.int<-2, 1>>) -> tensor<?x1x!ternary.int<-9, 9>> {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<-2, 1>>) -> tensor<?x1x!ternary.int<-9, 9>> geometry <64x16x32> {
    // CHECK:        %0 : c0:2[3]s = in 0
    // CHECK-NEXT:   %1 : c8:13[3]s = %0
    // CHECK-NEXT:   %2 : c8:13[3]s = %1 += %0<<1 carry c15[0]
    // CHECK-NEXT:   %3 : c7[0] = %2>>1 >= 2
    // CHECK-NEXT:   %4 : c8:13[3]s = %2[1:3] set 3 if %3
    // CHECK-NEXT:   %5 : c2:3[1] = 1
    // CHECK-NEXT:   out 0 = %4
    rtm.segment "fc" code <{
      %0 : c0:2[3]s = in 0
      %1 : c8:13[3]s = %0
      %2 : c8:13[3]s = %1 += %0<<1 carry c15[0]
      %3 : c7[0] = %2>>1 >= 2
      %4 : c8:13[3]s = %2[1:3] set 3 if %3
      %5 : c2:3[1] = 1
      out 0 = %4
    }>
  }
  func.return %r : tensor<?x1x!ternary.int<-9, 9>>
}
