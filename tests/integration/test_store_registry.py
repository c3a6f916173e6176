def test_x(engine): 
    print(engine.url)
