// RUN: camc opt %s | camc opt | filecheck %s
// RUN: camc opt %s --print-op-generic | camc opt | filecheck %s

// CHECK-LABEL: func.func @all
// CHECK-SAME:    (%[[Q:.*]]: tensor<?x2x!ternary.int<-2, 1>>)
func.func @all(%q: tensor<?x2x!ternary.int<-2, 1>>) -> tensor<?x2x!ternary.int<-9, 9>> {
  // CHECK-NEXT: ap.program %[[Q]] : (tensor<?x2x!ternary.int<-2, 1>>) -> tensor<?x2x!ternary.int<-9, 9>> geometry <64x16x32> part <outputs 0 to 2 of 5> {
  %r = ap.program %q : (tensor<?x2x!ternary.int<-2, 1>>) -> tensor<?x2x!ternary.int<-9, 9>> geometry <64x16x32> part <outputs 0 to 2 of 5> {
    // CHECK-NEXT: ap.segment "load" code <{
    // CHECK-NEXT:   in c0.0:2, #0
    // CHECK-NEXT:   in c1.0:2, #1
    // CHECK-NEXT: }>
    ap.segment "load" code <{
      in c0.0:2, #0
      in c1.0:2, #1
    }>
    // CHECK-NEXT: ap.segment "fc" code <{
    // CHECK-NEXT:   add c2.0:5, c0.0:2s, c1.0:2s<<1, c15.0
    // CHECK-NEXT:   sub c3.0:5, zero, c1.0:2s, c15.0
    // CHECK-NEXT:   loop {
    // CHECK-NEXT:     add.ip c2.0:5, c0.0:2s, c15.0
    // CHECK-NEXT:     sub.ip c3.1:4, c1.0:2s, c14.0 @1
    // CHECK-NEXT:   }
    // CHECK-NEXT:   copy c4.0:5, c2.0:5s
    // CHECK-NEXT:   ext c4.4:2, c15.0
    // CHECK-NEXT:   cmp.ge c5.0, c4.0:5s, #-3
    // CHECK-NEXT:   set c6.0:5, #-4
    // CHECK-NEXT:   set.if c6.0:3, c5.0, #5
    // CHECK-NEXT:   out c6.0:5s, #0
    // CHECK-NEXT:   out c3.0:5s, #1
    // CHECK-NEXT:   lean copy c7:5.1, c2:3.9s<<2
    // CHECK-NEXT:   lean cmp.ge c5.0, c7:5.1s, #-3
    // CHECK-NEXT:   set.if c7:1.1, c5.0, #1
    // CHECK-NEXT: }>
    ap.segment "fc" code <{
      add c2.0:5, c0.0:2s, c1.0:2s << 1, c15.0   ; a comment
      sub c3.0:5, zero, c1.0:2s, c15.0
      loop { add.ip c2.0:5, c0.0:2s, c15.0 sub.ip c3.1:4, c1.0:2s, c14.0 @1 }
      copy c4.0:5, c2.0:5s
      ext c4.4:2, c15.0
      cmp.ge c5.0, c4.0:5s, #-3
      set c6.0:5, #-4
      set.if c6.0:3, c5.0, #5
      out c6.0:5s, #0
      out c3.0:5s, #1
      lean copy c7:5.1, c2:3.9s<<2
      lean cmp.ge c5.0, c7:5.1s, #-3
      set.if c7:1.1, c5.0, #1
    }>
  }
  func.return %r : tensor<?x2x!ternary.int<-9, 9>>
}
