-- Claims are looked up by what they claim. By stream nobody asks, and every registration paid for the order of it.
drop index record.claims_of_stream;
