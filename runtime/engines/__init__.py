"""What runs AP code: the golden simulator, pass by pass, and the native engine, which agrees with it to the count."""
